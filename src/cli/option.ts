import { type LayerLimits, limitTable } from '../engine/limits.ts';
import { hostOptions } from './host-option.ts';
import { labOptions } from './lab-option.ts';
import { formatCount, formatSize } from './quantity.ts';
import { serveOptions } from './serve-option.ts';
import { zoneOptions } from './zone-option.ts';

/** One flag: all that parsing, --help, suggestions and the manual know of it. */
export interface Option {
  /**
   * `limit-size` and `limit-count` also take `none`, which lifts the limit; a `list` has commas; a `list` and `texts` add up when
   * given again; `any-text` may be empty; a `duration` is in milliseconds.
   */
  readonly kind:
    | 'flag'
    | 'text'
    | 'any-text'
    | 'texts'
    | 'list'
    | 'choice'
    | 'size'
    | 'count'
    | 'integer'
    | 'duration'
    | 'limit-size'
    | 'limit-count';
  readonly short?: string;
  /** How help calls the value; every kind but `flag` and `choice` has one. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly help: string;
  /** What holds without the flag, for people. */
  readonly default?: string;
}

/**
 * Every flag of every command; those that only zones have are in a file of their own. A letter may mean one flag here and another there. A name means the same wherever it is allowed; a command may have fewer of the choices, another
 * default, and help that fits it better (`Command.refinements`).
 */
export const options = {
  format: {
    kind: 'choice',
    choices: ['squashfs', 'erofs', 'tar', 'directory', 'none'],
    help: 'what to make of the image',
  },
  compression: {
    kind: 'choice',
    choices: ['zstd', 'gzip', 'deflate', 'xz', 'lz4', 'none'],
    help: 'of squashfs all but deflate, of EROFS zstd, deflate, lz4 or none; xz needs the system library liblzma',
    default: 'zstd for squashfs, none for EROFS',
  },
  level: {
    kind: 'integer',
    value: 'N',
    help: 'of the compression: 1–22 for zstd, 1–9 for gzip and deflate, 0–9 for xz',
    default: 'zstd 3, gzip 9, deflate 6, xz 6',
  },
  'block-size': {
    kind: 'size',
    value: 'SIZE',
    help: 'how much is compressed at once, a power of two: of squashfs from 4K to 1M, of EROFS from 8K to 1M',
    default: '128K',
  },
  'no-fragments': { kind: 'flag', help: 'squashfs: do not pack small files and ends of files together' },
  merged: {
    kind: 'flag',
    help: "make a stack whose layers' files are the devices of one EROFS that holds metadata alone",
  },
  'tar-index': {
    kind: 'flag',
    help: 'make a stack in which layers stay tars, and an EROFS index points into each',
  },
  'hash-tree': {
    kind: 'choice',
    choices: ['append', 'beside', 'none'],
    help: 'make the dm-verity hash tree of each image, behind its data or beside it as FILE.verity, and tell its root hash',
    default: 'none',
  },
  seal: {
    kind: 'flag',
    help: 'enable fs-verity for what is made, and set its immutable flag; what is not possible is a warning',
  },
  mtime: {
    kind: 'integer',
    value: 'SECONDS',
    help: 'time in the squashfs superblock, since 1970',
    default: "SOURCE_DATE_EPOCH, else the image's creation time",
  },
  platform: {
    kind: 'text',
    value: 'OS/ARCH[/VARIANT]',
    help: 'which image of a multi-platform index is meant',
    default: "this machine's",
  },
  'all-platforms': { kind: 'flag', help: 'every image of a multi-platform index, not only one' },
  referrers: { kind: 'flag', help: 'also signatures, SBOMs and whatever else refers to the image' },
  policy: {
    kind: 'choice',
    choices: ['always', 'if-not-present', 'never'],
    help: 'when to ask the registry what the name stands for; never also means that nothing is downloaded',
    default: 'if-not-present',
  },
  'no-cache': { kind: 'flag', help: 'neither use the cache nor keep in it what is downloaded' },
  root: {
    kind: 'text',
    value: 'DIR',
    help: 'where the cache is',
    default: 'SHALE_ROOT, else /var/lib/shale for root, $XDG_DATA_HOME/shale for others',
  },
  authfile: {
    kind: 'text',
    value: 'FILE',
    help: 'credentials of registries',
    default: 'REGISTRY_AUTH_FILE, else where podman and docker keep theirs',
  },
  'insecure-registry': {
    kind: 'list',
    value: 'HOST[,HOST]',
    help: 'registries whose certificate is not verified, and which may answer without TLS',
    default: 'localhost',
  },
  'cert-dir': {
    kind: 'text',
    value: 'DIR',
    help: "*.crt, *.cert and *.key: the registry's CA, and a client certificate with its key",
    default: 'certs.d/HOST in ~/.config/containers, /etc/containers, /etc/docker, /etc/containerd',
  },
  retries: {
    kind: 'integer',
    value: 'N',
    help: 'how often a request is tried again, later each time, when the registry or the network fails',
    default: '4',
  },
  username: { kind: 'text', short: 'u', value: 'NAME', help: 'who logs in', default: 'asked for' },
  password: {
    kind: 'text',
    short: 'p',
    value: 'PASSWORD',
    help: 'the password or token; visible in the process list, so rather use --password-stdin',
    default: 'asked for',
  },
  'password-stdin': { kind: 'flag', help: 'read the password from standard input' },
  digests: { kind: 'flag', help: 'show digests in full' },
  end: { kind: 'flag', help: 'end the namespace, and with it whatever is mounted there' },
  all: { kind: 'flag', short: 'a', help: 'everything' },
  'dry-run': { kind: 'flag', short: 'n', help: 'only say what would be done' },
  repair: { kind: 'flag', help: 'drop what is damaged, and fetch again what can be fetched' },
  'root-hash': {
    kind: 'text',
    value: 'HEX',
    help: 'the dm-verity root hash that the file must have: every block of it and of its hash tree is compared',
  },
  'hash-file': {
    kind: 'text',
    value: 'FILE',
    help: 'where the hash tree is',
    default: 'appended to the file, else beside it as FILE.verity; without a tree all is hashed anew',
  },
  'hash-offset': {
    kind: 'integer',
    value: 'BYTES',
    help: 'where the hash tree begins, in its file',
    default: 'found by its superblock; 0 in a file of its own',
  },
  'fs-verity': {
    kind: 'text',
    value: 'DIGEST',
    help: 'the fs-verity digest that the file must have: sha256:HEX, as fsverity digest prints it',
  },
  layers: { kind: 'flag', help: 'also read the layers: entries, whiteouts, bytes hidden by later layers' },
  provenance: {
    kind: 'flag',
    help: 'print where artifacts come from, and their hashes: an in-toto statement, as JSON',
  },
  long: { kind: 'flag', short: 'l', help: 'show type, mode, owner, size and time of each entry' },
  recursive: { kind: 'flag', short: 'R', help: 'list what is in directories below, too' },
  null: {
    kind: 'flag',
    short: '0',
    help: 'end each path with NUL instead of a newline, its bytes as they are',
  },
  jobs: {
    kind: 'count',
    short: 'j',
    value: 'N',
    help: 'threads that compress, and at most as many that read layers',
    default: 'one for each processor',
  },
  memory: {
    kind: 'size',
    value: 'SIZE',
    help: 'what the process should stay under, indexes not counted',
    default: '256M, or what the jobs need',
  },
  strict: { kind: 'flag', help: 'fail where there would be a warning' },
  json: { kind: 'flag', help: 'print the result, or the error, as one JSON object on standard output' },
  quiet: { kind: 'flag', short: 'q', help: 'no progress, no summary, no warnings' },
  progress: {
    kind: 'choice',
    choices: ['auto', 'bar', 'plain', 'json', 'none'],
    help: 'how progress is shown on standard error',
    default: 'auto',
  },
  ...zoneOptions,
  ...hostOptions,
  ...serveOptions,
  ...labOptions,
  markdown: { kind: 'flag', help: 'print the manual page as Markdown' },
  'max-size': limit('size', 'totalBytes', 'bytes in all layers together, uncompressed'),
  'max-ratio': limit('count', 'ratio', 'uncompressed bytes for each compressed one'),
  'max-entries': limit('count', 'entries', 'entries in all layers together'),
  'max-path': limit('size', 'pathBytes', "bytes of a path, or of a link's target"),
  'max-depth': limit('count', 'pathDepth', 'directories above one another'),
  'max-pax': limit('size', 'paxBytes', 'bytes in the pax records of an entry'),
  'max-xattr': limit('size', 'xattrBytes', "bytes of an extended attribute's value"),
  'max-sparse': limit('count', 'sparseSegments', 'segments of a sparse file'),
  verbose: { kind: 'flag', short: 'v', help: 'with --version: also the versions of Node and zstd' },
  version: { kind: 'flag', short: 'V', help: 'print the version' },
  help: { kind: 'flag', short: 'h', help: 'show this help' },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof options;

type ValueOf<O extends Option> = O extends { kind: 'flag' }
  ? true
  : O extends { kind: 'choice'; choices: readonly (infer Choice)[] }
    ? Choice
    : O extends { kind: 'text' | 'any-text' }
      ? string
      : O extends { kind: 'list' | 'texts' }
        ? readonly string[]
        : number;

/** What the command line gave, parsed and checked by kind. */
export type Values = { -readonly [Name in OptionName]?: ValueOf<(typeof options)[Name]> };

/** Which limit each `--max-…` sets. */
export const limitNames = {
  'max-size': 'totalBytes',
  'max-ratio': 'ratio',
  'max-entries': 'entries',
  'max-path': 'pathBytes',
  'max-depth': 'pathDepth',
  'max-pax': 'paxBytes',
  'max-xattr': 'xattrBytes',
  'max-sparse': 'sparseSegments',
} as const satisfies Partial<Record<OptionName, keyof LayerLimits>>;

/** Flags that say where the cache and the registries are, and how to use them. */
export const registryOptions = [
  'policy',
  'no-cache',
  'root',
  'authfile',
  'insecure-registry',
  'cert-dir',
  'retries',
] as const satisfies readonly OptionName[];

export function findOption(name: string): Option | undefined {
  return Object.hasOwn(options, name) ? options[name as OptionName] : undefined;
}

function limit(unit: 'size' | 'count', name: keyof LayerLimits, help: string) {
  const { value } = limitTable[name];
  return {
    kind: `limit-${unit}` as 'limit-size' | 'limit-count',
    value: unit === 'size' ? 'SIZE' : 'N',
    help,
    default: unit === 'size' ? formatSize(value) : formatCount(value),
  };
}
