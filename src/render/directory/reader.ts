import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../../error/index.ts';
import {
  Descent,
  HostError,
  pathBytes,
  readNames,
  readXattrs,
  splitDevice,
  throwIfAborted,
  timestamp,
} from '../../host/index.ts';
import { type ByteString, type Inode, printable, type Tree, validateTree } from '../../tree/index.ts';

/** Where the bytes of a file lie below the directory that was read. */
export interface PathContent {
  readonly path: ByteString;
}

type Children = Map<ByteString, Inode<PathContent>>;

const slice = 2048;
const chunkSize = 256 * 1024;
const typeBits = 0o170000n;

/**
 * Reads a directory as a tree: metadata to the nanosecond, xattrs, device numbers; files of one device and inode number
 * are one inode. No symlink below `path` is followed. As exact as the caller's permissions: `denied` where a
 * directory cannot be read, and without root no `trusted.*` xattrs.
 */
export async function readDirectory(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Tree<PathContent>> {
  try {
    using descent = Descent.open(path);
    const reader = new Reader(descent);
    const root: Inode<PathContent> = reader.read('.');
    if (root.type !== 'directory') throw new HostError('invalid', `${path} is not a directory`);
    const frames = [{ children: root.children as Children, names: readNames(descent.at('.')) }];
    let count = 0;
    for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
      if (count % slice === 0) {
        await setImmediate();
        throwIfAborted(options.signal);
      }
      count += 1;
      const name = top.names.pop();
      if (name === undefined) {
        frames.pop();
        descent.leave();
        continue;
      }
      const inode = reader.read(name);
      top.children.set(name, inode);
      if (inode.type === 'directory') {
        descent.enter(name);
        frames.push({ children: inode.children as Children, names: readNames(descent.at('.')) });
      }
    }
    return validateTree(root);
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  }
}

class Reader {
  readonly #descent: Descent;
  readonly #linked = new Map<string, Inode<PathContent>>();

  constructor(descent: Descent) {
    this.#descent = descent;
  }

  read(name: ByteString): Inode<PathContent> {
    const at = this.#descent.at(name);
    const path = name === '.' ? '' : [this.#descent.path, name].filter(Boolean).join('/');
    try {
      const stats = lstatSync(pathBytes(at), { bigint: true });
      if (stats.isDirectory() || stats.nlink === 1n) return this.#inode(at, path, stats);
      const key = `${stats.dev}:${stats.ino}`;
      const inode = this.#linked.get(key) ?? this.#inode(at, path, stats);
      this.#linked.set(key, inode);
      return inode;
    } catch (error) {
      throw wrapErrno(error, `cannot read /${printable(path)}`);
    }
  }

  #inode(at: ByteString, path: ByteString, stats: BigIntStats): Inode<PathContent> {
    const common = {
      mode: Number(stats.mode % 0o10000n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtime: timestamp(stats.mtimeNs),
      xattrs: readXattrs(at),
    };
    switch (Number(stats.mode & typeBits)) {
      case constants.S_IFREG:
        return { type: 'file', size: Number(stats.size), content: { path }, ...common };
      case constants.S_IFDIR:
        return { type: 'directory', children: new Map(), ...common };
      case constants.S_IFLNK:
        return { type: 'symlink', target: readlinkSync(pathBytes(at), { encoding: 'latin1' }), ...common };
      case constants.S_IFBLK:
        return { type: 'block', ...splitDevice(stats.rdev), ...common };
      case constants.S_IFCHR:
        return { type: 'character', ...splitDevice(stats.rdev), ...common };
      case constants.S_IFIFO:
        return { type: 'fifo', ...common };
      case constants.S_IFSOCK:
        return { type: 'socket', ...common };
      default:
        throw new HostError('unsupported', `/${printable(path)} is of a type that no image has`);
    }
  }
}

/**
 * The bytes of one regular file below `root`, in chunks of 256 KiB at most, each valid until the next is asked for. `path` is a
 * `PathContent`'s: every component is opened without following symlinks, so the file lies below `root` whatever has
 * happened there since; what is no regular file any more is a `conflict`.
 */
export function* readFileIn(root: string, path: ByteString): Generator<Uint8Array, void, undefined> {
  let fd: number;
  try {
    fd = openFileIn(root, path);
  } catch (error) {
    if (isErrno(error, 'ELOOP', 'ENOTDIR', 'ENXIO')) throw changed(path, error);
    throw wrapErrno(error, `cannot open /${printable(path)}`);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw changed(path);
    const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkSize, stats.size)));
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.length, null);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read /${printable(path)}`);
  } finally {
    closeSync(fd);
  }
}

function openFileIn(root: string, path: ByteString): number {
  using descent = Descent.open(root);
  const names = path.split('/');
  const last = names.pop()!;
  for (const name of names) descent.enter(name);
  // O_NONBLOCK: a fifo that took the file's place must not hold us.
  return openSync(
    pathBytes(descent.at(last)),
    constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
  );
}

function changed(path: ByteString, cause?: unknown): HostError {
  return new HostError('conflict', `/${printable(path)} is not the file any more that it was`, {
    cause,
    detail: { path: printable(path) },
  });
}
