import { parseArgs } from 'node:util';
import {
  type Command,
  type CommandName,
  commandNames,
  commonOptions,
  findCommand,
  findNearestCommand,
  refineOption,
} from './command/index.ts';
import { UsageError } from './error.ts';
import { findOption, type Option, type OptionName, options, type Values } from './option.ts';
import { findSize } from './quantity.ts';
import { findNearest } from './suggestion.ts';

export interface CommandLine {
  readonly command: CommandName | undefined;
  readonly operands: readonly string[];
  readonly values: Values;
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

const parserOptions = Object.fromEntries(
  Object.entries(options as Record<string, Option>).map(([name, { kind, short }]) => [
    name,
    { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
  ]),
);

/**
 * Reads a command line: the first word that belongs to no flag is the command, flags may stand anywhere, `--` ends them. What
 * cannot be understood is a UsageError, unless help or the version is asked for: then the rest does not matter.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    args: [...args],
    options: parserOptions,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words = tokens.filter(token => token.kind === 'positional').map(({ value }) => value);
  const [first, ...operands] = words;
  const command = commandNames.find(name => name === first);
  const given = tokens.filter(token => token.kind === 'option');
  const asked = (['help', 'version'] as const).find(name => given.some(token => token.name === name));
  if (asked !== undefined) {
    const values: Values = { [asked]: true };
    for (const name of ['verbose', 'json'] as const)
      if (given.some(token => token.name === name)) values[name] = true;
    return { command, operands: [], values };
  }
  if (first !== undefined && command === undefined) throw unknownCommand(first);
  const allowed = new Set<string>([...(command ? findCommand(command)!.options : []), ...commonOptions]);
  const values: Record<string, unknown> = {};
  for (const token of given) {
    const value = readOption(token, allowed, command);
    const before = values[token.name];
    values[token.name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
  }
  if (command !== undefined) checkOperands(command, operands);
  return { command, operands, values: values as Values };
}

/** Where to read on after a wrong command line. */
function seeHelp(command: CommandName | undefined): string {
  return `see shale ${command === undefined ? '' : `${command} `}--help`;
}

function unknownCommand(word: string): UsageError {
  const nearest = findNearestCommand(word);
  const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  return new UsageError(`there is no command ${JSON.stringify(word)}${suggestion}`, seeHelp(undefined));
}

function readOption(
  token: OptionToken,
  allowed: ReadonlySet<string>,
  command: CommandName | undefined,
): unknown {
  const known = findOption(token.name);
  if (known === undefined || !allowed.has(token.name)) {
    const candidates = [...allowed].map(name => `--${name}`);
    const nearest = findNearest(token.rawName, candidates);
    const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    const subject = known === undefined ? 'there is no flag' : `${command ?? 'shale'} has no flag`;
    throw new UsageError(`${subject} ${token.rawName}${suggestion}`, seeHelp(command));
  }
  const option = refineOption(token.name as OptionName, command);
  const fail = (what: string) => new UsageError(`${token.rawName}${what}`, seeHelp(command));
  if (option.kind === 'flag') {
    if (token.inlineValue) throw fail(` takes no value`);
    return true;
  }
  const { value } = token;
  // `--format --quiet` is a forgotten value, not a format of that name.
  if (value === undefined || (!token.inlineValue && /^-./.test(value))) throw fail(' needs a value');
  const read = readValue(option, value);
  if (read === undefined) {
    throw fail(`: ${JSON.stringify(value)} is not ${describeKind(option)}`);
  }
  return read;
}

function readValue({ kind, choices }: Option, text: string): string | number | string[] | undefined {
  switch (kind) {
    case 'text':
      return text === '' ? undefined : text;
    case 'list': {
      const items = text.split(',').map(item => item.trim());
      return items.includes('') ? undefined : items;
    }
    case 'choice':
      return choices!.includes(text) ? text : undefined;
    case 'size':
      return findSize(text);
    case 'integer':
      return findInteger(text);
    case 'count':
      return findInteger(text) || undefined;
    case 'limit-size':
      return text === 'none' ? Number.POSITIVE_INFINITY : findSize(text);
    case 'limit-count':
      return text === 'none' ? Number.POSITIVE_INFINITY : findInteger(text);
    default:
      return undefined;
  }
}

function findInteger(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(value) ? value : undefined;
}

function describeKind({ kind, choices }: Option): string {
  switch (kind) {
    case 'choice':
      return `one of ${choices!.join(', ')}`;
    case 'list':
      return 'a list of names with commas between them';
    case 'size':
      return 'a size such as 512K, 64M or 1G';
    case 'count':
      return 'a number from 1';
    case 'limit-size':
      return 'a size such as 512K, 64M or 1G, or none';
    case 'limit-count':
      return 'a number, or none';
    case 'integer':
      return 'a whole number';
    default:
      return 'a name';
  }
}

function checkOperands(command: CommandName, given: readonly string[]): void {
  const { operands, discreet }: Command = findCommand(command)!;
  const missing = operands.find((operand, index) => operand.optional !== true && given[index] === undefined);
  if (missing !== undefined)
    throw new UsageError(`${command} needs ${missing.name}: ${missing.help}`, seeHelp(command));
  const many = operands.some(operand => operand.many);
  if (!many && given.length > operands.length) {
    const extra = discreet === true ? 'so many arguments' : JSON.stringify(given[operands.length]);
    throw new UsageError(`${command} does not know what to do with ${extra}`, seeHelp(command));
  }
}
