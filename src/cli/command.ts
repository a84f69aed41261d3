import type { OptionName, Values } from './option.ts';

/** What a command is called with. */
export interface Invocation {
  readonly operands: readonly string[];
  readonly values: Values;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Does what the command says; resolves to the exit status, rejects with a ShaleError. */
export type Run = (invocation: Invocation) => Promise<number>;

export interface Operand {
  readonly name: string;
  readonly help: string;
  readonly optional?: true;
  /** One or more. */
  readonly many?: true;
}

export interface Example {
  readonly what: string;
  readonly line: string;
}

/** One command: all that parsing, --help and the manual know of it. */
export interface Command {
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly operands: readonly Operand[];
  readonly options: readonly OptionName[];
  readonly examples: readonly Example[];
  /** Exit statuses that mean something special here. */
  readonly statuses?: Readonly<Record<number, string>>;
}

const limits = [
  'max-size',
  'max-ratio',
  'max-entries',
  'max-path',
  'max-depth',
  'max-pax',
  'max-xattr',
  'max-sparse',
] as const;
/** Of whatever reads layers. */
const reading = ['jobs', 'memory', 'strict', 'progress', 'quiet', 'json', ...limits] as const;

const source: Operand = {
  name: 'SOURCE',
  help: 'the image: oci:DIR[:TAG|@DIGEST], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]',
};
const place: Operand = {
  name: 'PLACE',
  help: 'a squashfs, a tar or a directory, or an image (see SOURCE of render)',
};

export const commands = {
  render: {
    summary: 'turn an image into a squashfs, a tar or a directory',
    description: [
      'Reads the image, verifies every digest and size on the way, merges its layers and writes the result to each OUT, ' +
        'all from one decompression. The same image and options give the same bytes, at any --jobs.',
      'The format follows from the name: .sqfs or .squashfs, .tar, a trailing slash for a directory, - for a tar on standard ' +
        'output. A file appears whole and durable or not at all, and replaces what was there; a directory must be new or empty.',
    ],
    operands: [source, { name: 'OUT', help: 'what to make, and by its name in which format', many: true }],
    options: [
      'format',
      'platform',
      'compression',
      'level',
      'block-size',
      'no-fragments',
      'mtime',
      ...reading,
    ],
    examples: [
      { what: 'An image of an OCI layout as a squashfs', line: 'shale render oci:layout:latest root.sqfs' },
      { what: 'Two artifacts from one decompression', line: 'shale render oci:layout root.sqfs root.tar' },
      {
        what: 'Smaller, and slower',
        line: 'shale render oci-archive:image.tar root.sqfs --level 19 --block-size 1M',
      },
      { what: 'Into another program', line: 'shale render docker-archive:saved.tar - | tar -tv' },
      {
        what: "Another machine's image, as a directory",
        line: 'shale render oci:layout rootfs/ --platform linux/arm64',
      },
    ],
  },
  inspect: {
    summary: 'show what an image says of itself, and what is in its layers',
    description: [
      'Prints the image’s digests, platform, configuration and layers. With --layers the layers are read and verified, too: how ' +
        'many entries and whiteouts each has, and how many of its bytes later layers hide.',
    ],
    operands: [source],
    options: ['layers', 'platform', ...reading],
    examples: [
      { what: 'What an image would run', line: 'shale inspect oci:layout:latest' },
      { what: 'Where its bytes are, and which are wasted', line: 'shale inspect oci:layout:latest --layers' },
      { what: 'For a program', line: 'shale inspect oci:layout --json | jq -r .config.Entrypoint[]' },
    ],
  },
  verify: {
    summary: 'compare a rendered squashfs, tar or directory with its image',
    description: [
      'Reads ARTIFACT back and compares it with the image entry by entry: types, modes, owners, times, contents, link targets, ' +
        'device numbers, extended attributes and hardlink groups. Differences are printed on standard output.',
    ],
    operands: [source, { name: 'ARTIFACT', help: 'what was rendered: a squashfs, a tar or a directory' }],
    options: ['format', 'platform', ...reading],
    examples: [
      { what: 'After a render', line: 'shale verify oci:layout:latest root.sqfs' },
      { what: 'In a script', line: 'shale verify oci:layout root.tar --quiet || echo differs' },
    ],
    statuses: { 8: 'the artifact differs from the image, or one of the two is damaged' },
  },
  why: {
    summary: 'say which layers supplied, changed and deleted a path',
    description: [
      'Follows PATH through the layers, oldest first: which layer added it, changed it or deleted it, by which record, and what ' +
        'the result has there. Parents that are symlinks in the result are followed.',
    ],
    operands: [source, { name: 'PATH', help: 'a path in the image, with or without a leading slash' }],
    options: ['platform', ...reading],
    examples: [
      { what: 'Who brought this file', line: 'shale why oci:layout:latest /etc/passwd' },
      { what: 'Why is this one gone', line: 'shale why oci-archive:image.tar usr/bin/perl' },
    ],
    statuses: { 4: 'no layer ever had the path, or the image is not there' },
  },
  ls: {
    summary: 'list what is in an artifact or an image',
    description: [
      'Lists the directory PATH of an artifact, or of an image as it would be rendered; PATH is the root if it is left out. Bytes ' +
        'that could steer a terminal are shown as \\xNN; --null and --json give paths as they are.',
    ],
    operands: [place, { name: 'PATH', help: 'a path in it', optional: true }],
    options: [
      'long',
      'recursive',
      'null',
      'json',
      'platform',
      'jobs',
      'memory',
      'strict',
      'quiet',
      ...limits,
    ],
    examples: [
      { what: 'The root of a squashfs', line: 'shale ls root.sqfs' },
      { what: 'Everything below /etc, with modes and owners', line: 'shale ls root.sqfs /etc -lR' },
      { what: 'An image, without rendering it', line: 'shale ls oci:layout:latest usr/bin' },
    ],
  },
  cat: {
    summary: 'print files of an artifact or an image',
    description: [
      'Writes the contents of the files to standard output, one after the other. Symlinks are followed inside the root.',
    ],
    operands: [place, { name: 'PATH', help: 'a file in it', many: true }],
    options: ['platform', 'jobs', 'memory', 'strict', 'quiet', ...limits],
    examples: [
      { what: 'One file', line: 'shale cat root.sqfs /etc/os-release' },
      { what: 'Out of an image, into a file', line: 'shale cat oci:layout:latest bin/busybox > busybox' },
    ],
  },
  help: {
    summary: 'show the help of a command',
    description: ['Prints the same as --help after the command.'],
    operands: [{ name: 'COMMAND', help: 'the command; all of them if it is left out', optional: true }],
    options: ['markdown'],
    examples: [
      { what: 'All commands', line: 'shale help' },
      { what: 'One of them', line: 'shale help render' },
    ],
  },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandName = keyof typeof commands;
export const commandNames = Object.keys(commands) as readonly CommandName[];

/** Allowed with every command. */
export const commonOptions: readonly OptionName[] = ['help', 'version', 'verbose'];

export function findCommand(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name as CommandName] : undefined;
}
