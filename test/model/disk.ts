import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { formatListing, type ListedInode, type Listing } from './listing.ts';

const kinds = {
  isFile: 'file',
  isDirectory: 'directory',
  isSymbolicLink: 'symlink',
  isBlockDevice: 'block',
  isCharacterDevice: 'character',
  isFIFO: 'fifo',
  isSocket: 'socket',
} as const;
const billion = 1_000_000_000n;

/**
 * What stands on disk under `root`, by lstat and getfattr(1). `contentOf` names a file's bytes; by default their
 * SHA-256. Inode numbers, where a name says there is more than one, tell which names are one file.
 */
export function listDirectory(root: string, contentOf: (bytes: Buffer) => string = hash): Listing {
  const found: [string, ListedInode, unknown][] = [];
  const visit = (path: string): void => {
    const full = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
    // A directory that only one layer has, OverlayFS reads as it lies there, whiteouts and all; but it looks none of them up.
    const stat = lstatSync(full, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return;
    const test = (Object.keys(kinds) as (keyof typeof kinds)[]).find(kind => stat[kind]())!;
    const type = kinds[test];
    const nanoseconds = ((stat.mtimeNs % billion) + billion) % billion;
    const inode: ListedInode = {
      type,
      mode: Number(stat.mode) % 0o10000,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtime: { seconds: Number((stat.mtimeNs - nanoseconds) / billion), nanoseconds: Number(nanoseconds) },
      xattrs: new Map(),
      ...(type === 'symlink' && { target: readlinkSync(full, 'latin1') }),
      ...(type === 'file' && { size: Number(stat.size), content: contentOf(readFileSync(full)) }),
      ...((type === 'block' || type === 'character') && readDevice(Number(stat.rdev))),
    };
    found.push([path, inode, `${stat.dev}:${stat.ino}`]);
    if (type !== 'directory') return;
    for (const name of readdirSync(full, 'latin1')) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  const paths = found.map(([path]) => path);
  const xattrs = readXattrs(root, paths);
  return formatListing(
    found.map(([path, inode, ino]) => [path, { ...inode, xattrs: xattrs.get(path) ?? new Map() }, ino]),
  );
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** For the small numbers of these tests: glibc's makedev with 8 bits of minor. */
function readDevice(rdev: number): { major: number; minor: number } {
  return { major: Math.floor(rdev / 256) % 4096, minor: rdev % 256 };
}

function readXattrs(root: string, paths: readonly string[]): Map<string, Map<string, Uint8Array>> {
  const all = new Map<string, Map<string, Uint8Array>>();
  const { status, stdout, stderr } = spawnSync(
    'xargs',
    ['-0', 'getfattr', '-h', '-d', '-m', '-', '-e', 'hex', '--'],
    {
      cwd: root,
      input: Buffer.from(paths.map(path => `./${path}\0`).join(''), 'latin1'),
      encoding: 'latin1',
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  // So says the kernel of a squashfs in which nothing has any.
  const hasNone = stderr.split('\n').every(line => line === '' || line.endsWith('Operation not supported'));
  if (status !== 0 && !hasNone) throw new Error(`getfattr: ${stderr}`);
  for (const block of stdout.split('\n\n')) {
    const [head, ...lines] = block.split('\n').filter(line => line !== '');
    if (head === undefined) continue;
    const path = decodeOctal(head.replace(/^# file: /, '')).replace(/^\.\/?/, '');
    all.set(path, new Map(lines.map(readXattr)));
  }
  return all;
}

function readXattr(line: string): [string, Uint8Array] {
  const [name, value = ''] = line.split('=0x');
  return [decodeOctal(name!.replace(/=$/, '')), Buffer.from(value, 'hex')];
}

/** getfattr writes odd bytes as `\ooo`. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
