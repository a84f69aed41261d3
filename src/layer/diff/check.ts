import { type ByteString, printable } from '../../tree/index.ts';
import { defaultLimits, type LayerLimits } from '../limits.ts';
import type { ChangeEntry, ChangeType } from './entry.ts';
import { DiffError } from './error.ts';

/** By what stands in a mode above its twelve bits (S_IFMT). */
const types = new Map<number, ChangeType>([
  [0o01, 'fifo'],
  [0o02, 'character'],
  [0o04, 'directory'],
  [0o06, 'block'],
  [0o10, 'file'],
  [0o12, 'symlink'],
  [0o14, 'socket'],
]);

/** Which of the limits on layers are asked here; the rest belongs to the archive, which is ours. */
export type ChangeLimits = Pick<
  LayerLimits,
  'entries' | 'pathBytes' | 'pathDepth' | 'xattrBytes' | 'totalBytes'
>;
export const defaultChangeLimits: ChangeLimits = defaultLimits;

interface Above {
  readonly name: ByteString;
  readonly isDirectory: boolean;
  /** The last name that was seen in it. */
  last: ByteString | undefined;
}

/**
 * Judges a stream of changes entry by entry: each path stands right below a directory that is still open, after all
 * its siblings before it. So nothing comes twice, nothing comes before its parent, nothing stands below a file or a
 * symlink, and the order is the one order of a tree. DiffError `corrupt` for what no directory of a machine can hold,
 * `exhausted` above a limit.
 */
export class ChangeChecker {
  readonly #limits: ChangeLimits;
  readonly #above: Above[] = [];
  #entries = 0;
  #bytes = 0;

  constructor(limits: ChangeLimits) {
    this.#limits = limits;
  }

  /** The entry's type, if all is as it should be. */
  check(entry: ChangeEntry): ChangeType {
    const { path } = entry;
    const type = types.get(Math.floor(entry.mode / 0o10000));
    if (!within(entry.mode, 0o177777) || type === undefined) throw corrupt(path, `its mode is ${entry.mode}`);
    this.#entries += 1;
    this.#limit('entries', path, this.#entries);
    this.#limit('pathBytes', path, path.length);
    this.#place(path, type === 'directory');
    checkNumbers(entry, type);
    this.#checkXattrs(entry);
    if (type === 'symlink') {
      const target = entry.target ?? '';
      if (target === '' || target.includes('\0')) throw corrupt(path, 'its target is none');
      this.#limit('pathBytes', path, target.length);
    }
    return type;
  }

  /** Bytes of content are to come. */
  count(entry: ChangeEntry): void {
    this.#bytes += entry.size ?? 0;
    this.#limit('totalBytes', entry.path, this.#bytes);
  }

  #place(path: ByteString, isDirectory: boolean): void {
    const above = this.#above;
    if (above.length === 0) {
      if (path !== '' || !isDirectory) throw corrupt(path, 'the first entry is not the root directory');
      above.push({ name: '', isDirectory, last: undefined });
      return;
    }
    const names = path.split('/');
    if (
      path.includes('\0') ||
      names.some(name => name === '' || name === '.' || name === '..' || name.length > 255)
    ) {
      throw corrupt(path, 'it is no path below the root');
    }
    const name = names.pop()!;
    this.#limit('pathDepth', path, names.length);
    // The root stands for itself.
    const depth = names.findIndex((parent, index) => above[index + 1]?.name !== parent);
    if (depth >= 0) throw corrupt(path, 'its parent did not come before it');
    above.length = names.length + 1;
    const parent = above.at(-1)!;
    if (!parent.isDirectory) throw corrupt(path, 'its parent is no directory');
    if (parent.last !== undefined && parent.last >= name)
      throw corrupt(path, 'it comes twice, or out of order');
    parent.last = name;
    above.push({ name, isDirectory, last: undefined });
  }

  /** With path and target they are the entry's pax records, of which readers do not take any number. */
  #checkXattrs({ path, target = '', xattrs }: ChangeEntry): void {
    let total = xattrs.size === 0 ? 0 : path.length + target.length;
    for (const [name, value] of xattrs) {
      if (name === '' || name.length > 255 || name.includes('\0'))
        throw corrupt(path, 'it has an xattr without a name');
      total += name.length + value.length + 32;
    }
    this.#limit('xattrBytes', path, total);
  }

  #limit(name: keyof ChangeLimits, path: ByteString, actual: number): void {
    const limit = this.#limits[name];
    if (actual <= limit) return;
    throw new DiffError('exhausted', `${show(path)}: the changes pass the limit of ${limit} (${name})`, {
      detail: { path: printable(path), name, limit, actual },
      hint: 'an image with such a layer would be refused by default',
    });
  }
}

function checkNumbers(entry: ChangeEntry, type: ChangeType): void {
  const { path, uid, gid, mtime, device, links, inode, size = 0 } = entry;
  const fine =
    [uid, gid].every(id => within(id, 0xffffffff)) &&
    Number.isSafeInteger(mtime.seconds) &&
    within(mtime.nanoseconds, 999_999_999) &&
    within(links, 0xffffffff) &&
    inode >= 0 &&
    within(size, Number.MAX_SAFE_INTEGER);
  if (!fine) throw corrupt(path, 'a number of it is out of range');
  const isDevice = type === 'character' || type === 'block';
  if (isDevice && (!within(device?.major, 0xfff) || !within(device?.minor, 0xfffff))) {
    throw corrupt(path, `its device number is ${device?.major}:${device?.minor}`);
  }
}

/** How a path is called in messages. */
export function show(path: ByteString): string {
  return `/${printable(path)}`;
}

/** Whoever tells the changes has said what cannot be. */
export function corrupt(path: ByteString, why: string): DiffError {
  return new DiffError('corrupt', `${show(path)}, a change: ${why}`, {
    detail: { path: printable(path) },
    hint: 'no layer was made: what a zone sends is not trusted',
  });
}

function within(value: number | undefined, most: number): boolean {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 && value <= most;
}
