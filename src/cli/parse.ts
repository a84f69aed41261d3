import { parseArgs } from 'node:util';
import {
  type Command,
  type CommandName,
  commonOptions,
  findCommand,
  findNearestCommand,
  findTopic,
  refineOption,
  type Topic,
} from './command/index.ts';
import { UsageError } from './error.ts';
import { findOption, type Option, type OptionName, options, type Values } from './option.ts';
import { findDuration, findSize } from './quantity.ts';
import { findNearest } from './suggestion.ts';

export interface CommandLine {
  /** What is to be done; of a family there is only help. */
  readonly topic: Topic | undefined;
  readonly operands: readonly string[];
  readonly values: Values;
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

/**
 * Reads a command line: the first words that belong to no flag are the command, flags may stand anywhere, `--` ends them. In
 * front of another program's command line they end, too. What cannot be understood is a UsageError, unless help or the version is
 * asked for: then the rest does not matter.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const words = tokenise(args, commonOptions).filter(token => token.kind === 'positional');
  const found = findTopic(words.map(({ value }) => value));
  const topic = found?.topic;
  const named = words.slice(0, found?.length ?? 0).map(({ index }) => index);
  const command = topic !== undefined && findCommand(topic) ? (topic as CommandName) : undefined;
  const allowed = [...(command ? findCommand(command)!.options : []), ...commonOptions];
  // What a letter means is known only now.
  const { tokens, verbatim } = cut(
    args.filter((_, index) => !named.includes(index)),
    command,
    allowed,
  );
  const operands = tokens.filter(token => token.kind === 'positional').map(({ value }) => value);
  const given = tokens.filter(token => token.kind === 'option');
  const asked = (['help', 'version'] as const).find(name => given.some(token => token.name === name));
  if (asked !== undefined) {
    const values: Values = { [asked]: true };
    for (const name of ['verbose', 'json'] as const)
      if (given.some(token => token.name === name)) values[name] = true;
    return { topic, operands: [], values };
  }
  if (command === undefined && operands.length > 0) {
    throw unknownCommand(topic === undefined ? operands[0]! : `${topic} ${operands[0]}`, topic);
  }
  const values: Record<string, unknown> = {};
  for (const token of given) {
    const value = readOption(token, new Set(allowed), topic);
    const before = values[token.name];
    values[token.name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
  }
  const all = [...operands, ...verbatim];
  if (command !== undefined) checkOperands(command, all);
  return { topic, operands: all, values: values as Values };
}

/** Tokens with the letters of the flags that are allowed; where one is nobody's, of the first flag that has it. */
function tokenise(args: readonly string[], allowed: readonly OptionName[]): readonly Token[] {
  const table = options as Readonly<Record<string, Option>>;
  const names = [...new Set([...allowed, ...Object.keys(table)])];
  const letters = new Set<string>();
  const parserOptions = names.map(name => {
    const { kind, short } = table[name]!;
    const free = short !== undefined && !letters.has(short);
    if (free) letters.add(short);
    return [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), ...(free && { short }) },
    ];
  });
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(parserOptions),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  return tokens;
}

/** The tokens up to where another program's command line begins, and that one word for word. */
function cut(
  args: readonly string[],
  command: CommandName | undefined,
  allowed: readonly OptionName[],
): { readonly tokens: readonly Token[]; readonly verbatim: readonly string[] } {
  const tokens = tokenise(args, allowed);
  const { operands }: Pick<Command, 'operands'> =
    command === undefined ? { operands: [] } : findCommand(command)!;
  const own = operands.findIndex(({ verbatim }) => verbatim === true);
  const last = own < 1 ? undefined : tokens.filter(token => token.kind === 'positional')[own - 1];
  if (last === undefined) return { tokens, verbatim: [] };
  const rest = args.slice(last.index + 1);
  return {
    tokens: tokens.filter(({ index }) => index <= last.index),
    verbatim: rest[0] === '--' ? rest.slice(1) : rest,
  };
}

/** Where to read on after a wrong command line. */
function seeHelp(topic: Topic | undefined): string {
  return `see shale ${topic === undefined ? '' : `${topic} `}--help`;
}

/** The error of words that are no command; `family` is what they begin with. */
export function unknownCommand(words: string, family?: Topic): UsageError {
  const nearest = findNearestCommand(words);
  const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  return new UsageError(`there is no command ${JSON.stringify(words)}${suggestion}`, seeHelp(family));
}

function readOption(token: OptionToken, allowed: ReadonlySet<string>, topic: Topic | undefined): unknown {
  const known = findOption(token.name);
  if (known === undefined || !allowed.has(token.name)) {
    const candidates = [...allowed].map(name => `--${name}`);
    const nearest = findNearest(token.rawName, candidates);
    const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    const subject = known === undefined ? 'there is no flag' : `${topic ?? 'shale'} has no flag`;
    throw new UsageError(`${subject} ${token.rawName}${suggestion}`, seeHelp(topic));
  }
  const option = refineOption(token.name as OptionName, topic);
  const fail = (what: string) => new UsageError(`${token.rawName}${what}`, seeHelp(topic));
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
    case 'any-text':
      return text;
    case 'texts':
      return text === '' ? undefined : [text];
    case 'duration':
      return findDuration(text);
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
    case 'duration':
      return 'a time such as 10, 10s, 500ms, 5m or 1h';
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
