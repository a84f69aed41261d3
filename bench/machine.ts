import { createHash } from 'node:crypto';
import { accessSync, constants, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import path from 'node:path';
import { createItem, type Item, readFileOf } from './item.ts';

/** A path of this machine and what lstat says of it. */
export interface Found {
  readonly file: string;
  readonly status: Stats;
}

/** Compressed already: an image of these says little about compressors. */
const compressed = /\.(gz|tgz|xz|zst|bz2|lz4|zip|jar|whl|deb|png|jpe?g|webp|woff2?|mp4|sqfs)$/;

/** What is wanted of this machine: at least so many bytes of tar and so many files, from below `roots`. */
export interface Selection {
  readonly bytes: number;
  readonly files: number;
  readonly largestFile: number;
  readonly roots: readonly string[];
}

export const anyFiles: Selection = {
  bytes: 0,
  files: 0,
  largestFile: 150_000_000,
  roots: ['/usr/bin', '/usr/include', '/usr/lib', '/usr/local', '/usr/share', '/opt'],
};

/**
 * Real files of this machine, sorted by path; fewer than wanted where it does not hold so many. Whole directories are
 * taken in the order of a hash of their names, so that the choice is a fair sample of programs, libraries, sources and
 * data, and the same each time.
 */
export function selectFiles({ bytes, files, largestFile, roots }: Selection): readonly Found[] {
  const directories = roots.flatMap(root => listDirectories(root));
  const order = new Map(
    directories.map(directory => [directory, createHash('sha1').update(directory).digest('hex')]),
  );
  directories.sort((a, b) => (order.get(a)! < order.get(b)! ? -1 : 1));
  const selected: Found[] = [];
  const inodes = new Set<number>();
  let total = 0;
  for (const directory of directories) {
    if (total >= bytes && selected.length >= files) break;
    for (const found of listFiles(directory)) {
      if (compressed.test(found.file) || found.status.size > largestFile) continue;
      selected.push(found);
      const isRepeated = inodes.has(found.status.ino);
      inodes.add(found.status.ino);
      total += 512 + (isRepeated ? 0 : Math.ceil(found.status.size / 512) * 512);
    }
  }
  return selected.sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** Every file and symlink under `directory`. */
export function listTree(directory: string): readonly Found[] {
  return listDirectories(directory).flatMap(listFiles);
}

/** `root` and all directories below it that this user may read; none if it is not a directory. */
function listDirectories(root: string): string[] {
  const found: string[] = [];
  const pending = lstatSync(root, { throwIfNoEntry: false })?.isDirectory() ? [root] : [];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    if (!isReadable(directory)) continue;
    found.push(directory);
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) pending.push(path.join(directory, entry.name));
    }
  }
  return found;
}

function listFiles(directory: string): Found[] {
  return readdirSync(directory)
    .sort()
    .map(name => ({ file: path.join(directory, name), status: lstatSync(path.join(directory, name)) }))
    .filter(({ file, status }) => status.isSymbolicLink() || (status.isFile() && isReadable(file)));
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Entries for `found` with their parent directories; a second name of an inode becomes a hardlink. `place` says where in
 * the image a path of this machine goes. `seen` carries the inodes from one layer to the next.
 */
export function createItems(
  found: Iterable<Found>,
  place: (file: string) => string = file => file.slice(1),
  seen = new Map<number, string>(),
): Item[] {
  const items: Item[] = [];
  const directories = new Set<string>(['.', '']);
  const addParents = (child: string): void => {
    const parent = path.posix.dirname(child);
    if (directories.has(parent)) return;
    addParents(parent);
    directories.add(parent);
    items.push(createItem({ type: 'directory', path: bytesOf(parent) }));
  };
  for (const { file, status } of found) {
    const target = place(file);
    addParents(target);
    const common = {
      path: bytesOf(target),
      mode: status.mode % 0o10000,
      uid: status.uid,
      gid: status.gid,
      mtime: { seconds: Math.floor(status.mtimeMs / 1000), nanoseconds: 0 },
    };
    const first = status.nlink > 1 ? seen.get(status.ino) : undefined;
    if (status.isSymbolicLink()) {
      items.push(createItem({ ...common, type: 'symlink', linkpath: bytesOf(readlinkSync(file)) }));
    } else if (first !== undefined) {
      items.push(createItem({ ...common, type: 'hardlink', linkpath: first }));
    } else {
      items.push(
        createItem({ ...common, type: 'file', size: status.size }, () => readFileOf(file, status.size)),
      );
      seen.set(status.ino, common.path);
    }
  }
  return items;
}

/** Text of this machine as a ByteString. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}
