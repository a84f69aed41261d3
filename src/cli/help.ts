import { listDriverSettings } from '../engine/snapshot/driver-settings.ts';
import {
  type Command,
  type CommandName,
  commandGroups,
  commonOptions,
  type FamilyName,
  findCommand,
  findFamily,
  membersOf,
  refineOption,
  summaryOf,
  type Topic,
} from './command/index.ts';
import { limitNames, type OptionName, registryOptions } from './option.ts';

const width = 96;
/** Of the names of commands, so that the groups line up. */
const nameWidth = 8;

/** `shale --help`. */
export function formatOverview(): string {
  const groups = commandGroups.flatMap(({ title, names }) => [
    `${title}:`,
    ...formatRows(names.map(name => [name.padEnd(nameWidth), summaryOf(name)])),
    '',
  ]);
  return [
    'Usage: shale COMMAND [ARGUMENTS] [OPTIONS]',
    '',
    ...wrap(
      'Pulls OCI images and turns them into root filesystems: squashfs, EROFS, tar or a directory, exact and reproducible. Runs them in ' +
        'virtual machines.',
      '',
    ),
    '',
    ...groups,
    'Options:',
    ...formatRows(optionRows(commonOptions, undefined)),
    '',
    'Examples:',
    ...formatExamples(overviewExamples()),
    '',
    'shale COMMAND --help says more of each.',
    '',
  ].join('\n');
}

/** The first example of the commands that people begin with. */
export function overviewExamples(): Command['examples'] {
  const names = [
    'pull',
    'render',
    'inspect',
    'ls',
    'why',
    'images',
    'login',
    'run',
  ] as const satisfies CommandName[];
  return names.map(name => findCommand(name)!.examples[0]!);
}

/** `shale COMMAND --help`, and that of a family. */
export function formatHelp(topic: Topic): string {
  return findFamily(topic) ? formatFamily(topic as FamilyName) : formatCommand(topic as CommandName);
}

function formatFamily(family: FamilyName): string {
  const names = membersOf(family);
  // Those of the families below have theirs there.
  const own = names.filter(name => !name.slice(family.length + 1).includes(' '));
  const rows = names.map(name => [name.slice(family.length + 1), findCommand(name)!.summary] as const);
  return [
    `Usage: shale ${family} COMMAND [ARGUMENTS] [OPTIONS]`,
    '',
    ...findFamily(family)!.description.flatMap(paragraph => [...wrap(paragraph, ''), '']),
    'Commands:',
    ...formatRows(rows),
    '',
    'Examples:',
    ...formatExamples(own.map(name => findCommand(name)!.examples[0]!)),
    '',
    `shale ${family} COMMAND --help says more of each.`,
    '',
  ].join('\n');
}

function formatCommand(name: CommandName): string {
  const command = findCommand(name)!;
  const { own, registry, limits } = splitOptions(command);
  const lines = [`Usage: ${formatUsage(name)}`, ''];
  for (const paragraph of command.description) lines.push(...wrap(paragraph, ''), '');
  if (command.operands.length > 0) {
    lines.push('Arguments:', ...formatRows(command.operands.map(({ name, help }) => [name, help])), '');
  }
  lines.push('Options:', ...formatRows(optionRows([...own, 'help'], name)), '');
  if (own.includes('driver-option')) {
    const rows = listDriverSettings().map(({ flag, help }) => [flag, help] as const);
    lines.push('Settings of the drivers (--driver-option):', ...formatRows(rows), '');
  }
  if (registry.length > 0) {
    lines.push('Registries and the cache:', ...formatRows(optionRows(registry, name)), '');
  }
  if (limits.length > 0) {
    lines.push('Limits on what an image may ask of the machine (a number, or none):');
    lines.push(...formatRows(optionRows(limits, name)), '');
  }
  lines.push('Examples:', ...formatExamples(command.examples), '');
  return lines.join('\n');
}

/** `shale ls PLACE [PATH] [OPTIONS]`; the flags come first where another program's command line comes last. */
export function formatUsage(name: CommandName): string {
  const { operands } = findCommand(name)!;
  const words = operands.map(({ name, optional, many }) => {
    const word = many === true ? `${name}...` : name;
    return optional === true ? `[${word}]` : word;
  });
  const verbatim = operands.some(({ verbatim }) => verbatim === true);
  return ['shale', name, ...(verbatim ? ['[OPTIONS]', ...words] : [...words, '[OPTIONS]'])].join(' ');
}

/** A command's flags: its own, those about registries and the cache, and limits. */
export function splitOptions({
  options,
}: Command): Readonly<Record<'own' | 'registry' | 'limits', readonly OptionName[]>> {
  const isLimit = (name: OptionName) => Object.hasOwn(limitNames, name);
  // Where no registry is asked, what is left of these stands with the others.
  const apart: readonly OptionName[] = options.includes('insecure-registry') ? registryOptions : [];
  return {
    own: options.filter(name => !isLimit(name) && !apart.includes(name)),
    registry: options.filter(name => apart.includes(name)),
    limits: options.filter(isLimit),
  };
}

/** `-j, --jobs N`; a flag that has no letter is indented as if it had one where `aligned`. */
export function formatFlag(
  name: OptionName,
  topic: Topic | undefined,
  { aligned }: { readonly aligned: boolean },
): string {
  const { short, value, choices } = refineOption(name, topic);
  const letter = short === undefined ? (aligned ? '    ' : '') : `-${short}, `;
  const argument = value ?? (choices === undefined ? '' : choices.join('|'));
  return `${letter}--${name}${argument === '' ? '' : ` ${argument}`}`;
}

/** What a flag does and what holds without it. */
export function describeOption(name: OptionName, topic: Topic | undefined): string {
  const { help, default: usual } = refineOption(name, topic);
  return usual === undefined ? help : `${help} (default: ${usual})`;
}

function optionRows(
  names: readonly OptionName[],
  command: CommandName | undefined,
): (readonly [string, string])[] {
  return names.map(name => [formatFlag(name, command, { aligned: true }), describeOption(name, command)]);
}

/** Two columns; a first column that is too long stands on a line of its own. */
function formatRows(rows: readonly (readonly [string, string])[]): string[] {
  const most = 30;
  const column = Math.max(...rows.map(([name]) => name.length).filter(length => length <= most), 8);
  const margin = ' '.repeat(column + 4);
  return rows.flatMap(([name, text]) => {
    const [first = '', ...rest] = wrap(text, margin);
    if (name.length > most) return [`  ${name}`, first, ...rest];
    return [`  ${name.padEnd(column)}  ${first.trimStart()}`, ...rest];
  });
}

function formatExamples(examples: Command['examples']): string[] {
  return examples.flatMap(({ what, line }) => [`  # ${what}`, `  ${line}`]);
}

function wrap(text: string, margin: string): string[] {
  const lines: string[] = [];
  let line = margin;
  for (const word of text.split(' ')) {
    if (line.length > margin.length && line.length + 1 + word.length > width) {
      lines.push(line);
      line = margin;
    }
    line += line.length > margin.length ? ` ${word}` : word;
  }
  return [...lines, line];
}
