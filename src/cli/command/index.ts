import { findOption, type Option, type OptionName } from '../option.ts';
import { findNearest } from '../suggestion.ts';
import { cacheCommands } from './cache.ts';
import type { Command, Family } from './command.ts';
import { helpCommands } from './help.ts';
import { hostCommands, snapshotCommands, snapshotFamilies } from './host.ts';
import { imageCommands } from './image.ts';
import { labCommands, labFamilies } from './lab.ts';
import { lookCommands } from './look.ts';
import { namespaceCommands } from './namespace.ts';
import { registryCommands } from './registry.ts';
import { serveCommands } from './serve.ts';
import { doctorCommands, runCommands, zoneCommands, zoneFamilies } from './zone.ts';

/**
 * All commands, as tables: what each takes, what it says of itself, and how its flags differ from the table of all flags.
 * Parsing, --help, suggestions and the manual are derived from them. A group has a file. A command's name may have several
 * words; those that begin alike are a family, with a help and a page of its own for all of them.
 */
export type { Command, Example, Family, Invocation, Operand, Run } from './command.ts';

export const commands = {
  ...imageCommands,
  ...lookCommands,
  ...cacheCommands,
  ...registryCommands,
  ...hostCommands,
  ...snapshotCommands,
  ...runCommands,
  ...zoneCommands,
  ...serveCommands,
  ...doctorCommands,
  ...namespaceCommands,
  ...labCommands,
  ...helpCommands,
} as const;

export const families = { ...snapshotFamilies, ...zoneFamilies, ...labFamilies } as const;

export type CommandName = keyof typeof commands;
export const commandNames = Object.keys(commands) as readonly CommandName[];
export type FamilyName = keyof typeof families;
export const familyNames = Object.keys(families) as readonly FamilyName[];
/** What there is help for. */
export type Topic = CommandName | FamilyName;

/** As the overview shows them: a family stands for its commands. */
export const commandGroups: readonly { readonly title: string; readonly names: readonly Topic[] }[] = [
  { title: 'Images', names: namesOf(imageCommands) },
  { title: 'Look inside', names: namesOf(lookCommands) },
  { title: 'Cache', names: namesOf(cacheCommands) },
  { title: 'Registries', names: namesOf(registryCommands) },
  { title: 'On this machine', names: [...namesOf(hostCommands), 'snapshot', 'unshare', 'doctor'] },
  { title: 'Zones', names: ['run', 'zone'] },
  { title: 'Daemon', names: namesOf(serveCommands) },
  { title: 'Learning', names: ['lab'] },
  { title: 'Help', names: namesOf(helpCommands) },
];

/** Allowed with every command. */
export const commonOptions: readonly OptionName[] = ['help', 'version', 'verbose'];

export function findCommand(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name as CommandName] : undefined;
}

export function findFamily(name: string): Family | undefined {
  return Object.hasOwn(families, name) ? families[name as FamilyName] : undefined;
}

/** The line that the overview has for a command or a family. */
export function summaryOf(topic: Topic): string {
  return (findCommand(topic) ?? findFamily(topic))!.summary;
}

/** The commands of a family, those of the families below it included. */
export function membersOf(family: FamilyName): readonly CommandName[] {
  return commandNames.filter(name => name.startsWith(`${family} `));
}

/** The longest command, or else family, that the words begin with, and how many of them it is. */
export function findTopic(
  words: readonly string[],
): { readonly topic: Topic; readonly length: number } | undefined {
  for (let length = Math.min(words.length, 3); length > 0; length--) {
    const name = words.slice(0, length).join(' ');
    // A word with a space in it is no two words.
    if (words.slice(0, length).some(word => /\s/.test(word))) continue;
    if (findCommand(name) || findFamily(name)) return { topic: name as Topic, length };
  }
  return undefined;
}

/** A flag as a command has it; as the table has it where no command is named. */
export function refineOption(name: OptionName, topic: Topic | undefined): Option {
  const refinement = topic === undefined ? undefined : findCommand(topic)?.refinements?.[name];
  return { ...findOption(name)!, ...refinement };
}

/** Words that users of similar tools try. */
const habits: Readonly<Record<string, Topic>> = {
  ...{ rmi: 'rm', untag: 'rm', image: 'images', 'ls-images': 'images', list: 'images' },
  ...{ prune: 'gc', df: 'du', check: 'fsck' },
  ...{ unpack: 'render', extract: 'render', convert: 'render', export: 'render' },
  ...{ sync: 'copy', save: 'copy', load: 'copy', import: 'copy' },
  ...{ daemon: 'serve', server: 'serve', snapshotter: 'serve' },
  ...{ fetch: 'pull', download: 'pull', upload: 'push' },
  ...{
    start: 'run',
    create: 'run',
    boot: 'run',
    ps: 'zone ls',
    container: 'zone',
    vm: 'zone',
    info: 'doctor',
  },
  ...{
    unmount: 'umount',
    'snapshot list': 'snapshot ls',
    'snapshot remove': 'snapshot rm',
    'snapshot create': 'snapshot prepare',
  },
  ...{ 'zone ps': 'zone ls', 'zone list': 'zone ls', 'zone run': 'run', 'zone start': 'run' },
  ...{
    'zone remove': 'zone rm',
    'zone delete': 'zone rm',
    'zone prune': 'zone rm',
    'zone show': 'zone inspect',
  },
};

/** The command that was probably meant; the words before the last are those of a family. */
export function findNearestCommand(words: string): Topic | undefined {
  if (Object.hasOwn(habits, words)) return habits[words];
  // `logs` is `zone logs`, and `kernel` is `zone kernel`.
  const inFamily = familyNames
    .map(family => `${family} ${words}`)
    .find(name => findCommand(name) ?? findFamily(name));
  if (inFamily !== undefined) return inFamily as Topic;
  const parent = words.split(' ').slice(0, -1).join(' ');
  const depth = words.split(' ').length;
  const topics = [...commandNames, ...familyNames].filter(
    name => name.split(' ').length === depth && name.startsWith(parent),
  );
  const last = (name: string) => name.split(' ').at(-1)!;
  const nearest = findNearest(last(words), topics.map(last));
  return topics.find(name => last(name) === nearest);
}

function namesOf(group: object): readonly CommandName[] {
  return Object.keys(group) as CommandName[];
}
