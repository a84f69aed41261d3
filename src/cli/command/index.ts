import { findOption, type Option, type OptionName } from '../option.ts';
import { findNearest } from '../suggestion.ts';
import { cacheCommands } from './cache.ts';
import type { Command } from './command.ts';
import { helpCommands } from './help.ts';
import { imageCommands } from './image.ts';
import { lookCommands } from './look.ts';
import { registryCommands } from './registry.ts';

/**
 * All commands, as tables: what each takes, what it says of itself, and how its flags differ from the table of all flags.
 * Parsing, --help, suggestions and the manual are derived from them. A group has a file.
 */
export type { Command, Example, Invocation, Operand, Run } from './command.ts';

export const commands = {
  ...imageCommands,
  ...lookCommands,
  ...cacheCommands,
  ...registryCommands,
  ...helpCommands,
} as const;

export type CommandName = keyof typeof commands;
export const commandNames = Object.keys(commands) as readonly CommandName[];

/** As the overview shows them. */
export const commandGroups: readonly { readonly title: string; readonly names: readonly CommandName[] }[] = [
  { title: 'Images', names: namesOf(imageCommands) },
  { title: 'Look inside', names: namesOf(lookCommands) },
  { title: 'Cache', names: namesOf(cacheCommands) },
  { title: 'Registries', names: namesOf(registryCommands) },
  { title: 'Help', names: namesOf(helpCommands) },
];

/** Allowed with every command. */
export const commonOptions: readonly OptionName[] = ['help', 'version', 'verbose'];

export function findCommand(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name as CommandName] : undefined;
}

/** A flag as a command has it; as the table has it where no command is named. */
export function refineOption(name: OptionName, command: CommandName | undefined): Option {
  const refinement = command === undefined ? undefined : findCommand(command)!.refinements?.[name];
  return { ...findOption(name)!, ...refinement };
}

/** Words that users of similar tools try. */
const habits: Readonly<Record<string, CommandName>> = {
  ...{
    rmi: 'rm',
    untag: 'rm',
    image: 'images',
    'ls-images': 'images',
    list: 'images',
    prune: 'gc',
    df: 'du',
  },
  ...{
    check: 'fsck',
    unpack: 'render',
    extract: 'render',
    convert: 'render',
    export: 'render',
    sync: 'copy',
  },
  ...{ save: 'copy', load: 'copy', import: 'copy', fetch: 'pull', download: 'pull', upload: 'push' },
};

/** The command that was probably meant. */
export function findNearestCommand(word: string): CommandName | undefined {
  if (Object.hasOwn(habits, word)) return habits[word];
  return findNearest(word, commandNames) as CommandName | undefined;
}

function namesOf(group: object): readonly CommandName[] {
  return Object.keys(group) as CommandName[];
}
