import { type Command, type CommandName, commandNames, commonOptions, findCommand } from './command.ts';
import { limitNames, type Option, type OptionName, options } from './option.ts';

const width = 96;
const table: Readonly<Record<OptionName, Option>> = options;

/** `shale --help`. */
export function formatOverview(): string {
  const rows = commandNames.map(name => [name, `${findCommand(name)!.summary}`] as const);
  return [
    'Usage: shale COMMAND [ARGUMENTS] [OPTIONS]',
    '',
    ...wrap(
      'Turns OCI images into root filesystems: squashfs, tar or a directory, exact and reproducible.',
      '',
    ),
    '',
    'Commands:',
    ...formatRows(rows),
    '',
    'Options:',
    ...formatRows(optionRows(commonOptions)),
    '',
    'Examples:',
    ...formatExamples(
      commandNames.filter(name => name !== 'help').map(name => findCommand(name)!.examples[0]!),
    ),
    '',
    'shale COMMAND --help says more of each.',
    '',
  ].join('\n');
}

/** `shale COMMAND --help`. */
export function formatHelp(name: CommandName): string {
  const command = findCommand(name)!;
  const { own, limits } = splitOptions(command);
  const lines = [`Usage: ${formatUsage(name)}`, ''];
  for (const paragraph of command.description) lines.push(...wrap(paragraph, ''), '');
  if (command.operands.length > 0) {
    lines.push('Arguments:', ...formatRows(command.operands.map(({ name, help }) => [name, help])), '');
  }
  lines.push('Options:', ...formatRows(optionRows([...own, 'help'])), '');
  if (limits.length > 0) {
    lines.push('Limits on what an image may ask of the machine (a number, or none):');
    lines.push(...formatRows(optionRows(limits)), '');
  }
  lines.push('Examples:', ...formatExamples(command.examples), '');
  return lines.join('\n');
}

/** `shale ls PLACE [PATH] [OPTIONS]`. */
export function formatUsage(name: CommandName): string {
  const words = findCommand(name)!.operands.map(({ name, optional, many }) => {
    const word = many === true ? `${name}...` : name;
    return optional === true ? `[${word}]` : word;
  });
  return ['shale', name, ...words, '[OPTIONS]'].join(' ');
}

/** A command's flags, and those of them that are limits. */
export function splitOptions({ options }: Command): { own: OptionName[]; limits: OptionName[] } {
  const isLimit = (name: OptionName) => Object.hasOwn(limitNames, name);
  return { own: options.filter(name => !isLimit(name)), limits: options.filter(isLimit) };
}

/** `-j, --jobs N`; a flag that has no letter is indented as if it had one where `aligned`. */
export function formatFlag(name: OptionName, { aligned }: { readonly aligned: boolean }): string {
  const { short, value, choices } = table[name];
  const letter = short === undefined ? (aligned ? '    ' : '') : `-${short}, `;
  const argument = value ?? (choices === undefined ? '' : choices.join('|'));
  return `${letter}--${name}${argument === '' ? '' : ` ${argument}`}`;
}

/** What a flag does and what holds without it. */
export function describeOption(name: OptionName): string {
  const { help, default: usual } = table[name];
  return usual === undefined ? help : `${help} (default: ${usual})`;
}

function optionRows(names: readonly OptionName[]): (readonly [string, string])[] {
  return names.map(name => [formatFlag(name, { aligned: true }), describeOption(name)]);
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
