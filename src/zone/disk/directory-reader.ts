import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { isErrno, type Warnings, wrapErrno } from '../../error/index.ts';
import {
  Descent,
  pathBytes,
  readNames,
  readXattrs,
  splitDevice,
  throwIfAborted,
  timestamp,
} from '../../host/index.ts';
import type { ByteString, DirectoryInode, FileInode, Inode } from '../../tree/index.ts';
import { printable } from '../../tree/index.ts';
import { DiskError } from './error.ts';

/** Takes a file's content: reads all of `size` bytes from the descriptor, and says under which number it is known. */
export type TakeContent = (fd: number, size: number) => Promise<number>;

export interface ReadOptions {
  readonly take: TakeContent;
  readonly warnings: Warnings;
  readonly signal?: AbortSignal | undefined;
}

type Directory = DirectoryInode<number>;

const slice = 1024;
const typeBits = 0o170000n;
const fileFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Reads a directory of the host in one pass, in the byte order of names: metadata to the nanosecond, and each file's
 * content at once, from the descriptor that its metadata came from. Every step is one name relative to an open
 * directory, and no symlink is followed. Files of one inode are one. A file that changes while it is read is a
 * DiskError `conflict`; what vanishes before it was opened was never there; sockets, which mean nothing elsewhere,
 * are left out with a warning.
 */
export async function readHostDirectory(path: string, options: ReadOptions): Promise<Directory> {
  try {
    using descent = Descent.open(path);
    return await new Reader(descent, options).read();
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  }
}

class Reader {
  readonly #descent: Descent;
  readonly #options: ReadOptions;
  readonly #linked = new Map<string, Inode<number>>();

  constructor(descent: Descent, options: ReadOptions) {
    this.#descent = descent;
    this.#options = options;
  }

  async read(): Promise<Directory> {
    const descent = this.#descent;
    const root = this.#directory(lstatSync(pathBytes(descent.at('.')), { bigint: true }), '.');
    const frames = [{ directory: root, names: this.#names() }];
    let count = 0;
    for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
      if (count % slice === 0) await setImmediate();
      count += 1;
      throwIfAborted(this.#options.signal);
      const name = top.names.pop();
      if (name === undefined) {
        frames.pop();
        descent.leave();
        continue;
      }
      const inode = await this.#readName(name);
      if (inode === undefined) continue;
      (top.directory.children as Map<ByteString, Inode<number>>).set(name, inode);
      if (inode.type === 'directory') frames.push({ directory: inode, names: this.#names() });
    }
    return root;
  }

  /** Last first: they are taken from the end. */
  #names(): ByteString[] {
    return readNames(this.#descent.at('.')).sort().reverse();
  }

  /** Steps into a directory. */
  async #readName(name: ByteString): Promise<Inode<number> | undefined> {
    const at = this.#descent.at(name);
    try {
      const stats = lstatSync(pathBytes(at), { bigint: true });
      const type = Number(stats.mode & typeBits);
      if (type === constants.S_IFDIR) return this.#enter(name, stats);
      if (type === constants.S_IFSOCK) return this.#leaveOut(name);
      const key = stats.nlink > 1n ? `${stats.dev}:${stats.ino}` : undefined;
      const known = key === undefined ? undefined : this.#linked.get(key);
      if (known !== undefined) return known;
      const inode =
        type === constants.S_IFREG ? await this.#file(name, stats) : this.#special(type, at, stats);
      if (key !== undefined) this.#linked.set(key, inode);
      return inode;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      if (isErrno(error, 'ELOOP', 'ENOTDIR', 'ENXIO')) throw this.#changed(name, error);
      throw wrapErrno(error, `cannot read ${this.#show(name)}`);
    }
  }

  #enter(name: ByteString, stats: BigIntStats): Directory {
    this.#descent.enter(name);
    const here = lstatSync(pathBytes(this.#descent.at('.')), { bigint: true });
    if (isSame(stats, here)) return this.#directory(here, '.');
    this.#descent.leave();
    throw this.#changed(name);
  }

  #directory(stats: BigIntStats, name: ByteString): Directory {
    return { type: 'directory', children: new Map(), ...common(stats, this.#descent.at(name)) };
  }

  async #file(name: ByteString, expected: BigIntStats): Promise<FileInode<number>> {
    const at = this.#descent.at(name);
    const fd = openSync(pathBytes(at), fileFlags);
    try {
      const stats = fstatSync(fd, { bigint: true });
      if (!stats.isFile() || !isSame(stats, expected)) throw this.#changed(name);
      const size = Number(stats.size);
      const metadata = common(stats, at);
      const content = size === 0 ? -1 : await this.#options.take(fd, size);
      const later = fstatSync(fd, { bigint: true });
      if (later.size !== stats.size || later.mtimeNs !== stats.mtimeNs) throw this.#changed(name);
      return { type: 'file', size, content, ...metadata };
    } finally {
      closeSync(fd);
    }
  }

  #special(type: number, at: ByteString, stats: BigIntStats): Inode<number> {
    switch (type) {
      case constants.S_IFLNK:
        return {
          type: 'symlink',
          target: readlinkSync(pathBytes(at), { encoding: 'latin1' }),
          ...common(stats, at),
        };
      case constants.S_IFBLK:
        return { type: 'block', ...splitDevice(stats.rdev), ...common(stats, at) };
      case constants.S_IFCHR:
        return { type: 'character', ...splitDevice(stats.rdev), ...common(stats, at) };
      default:
        return { type: 'fifo', ...common(stats, at) };
    }
  }

  #leaveOut(name: ByteString): undefined {
    const path = this.#show(name);
    this.#options.warnings.add({ code: 'left-out', message: `${path} is a socket, and is left out`, path });
    return undefined;
  }

  #changed(name: ByteString, cause?: unknown): DiskError {
    const path = this.#show(name);
    return new DiskError('conflict', `${path} was changed while it was read`, {
      cause,
      detail: { path },
      hint: 'nothing else may change the directory meanwhile',
    });
  }

  #show(name: ByteString): string {
    return `/${printable([this.#descent.path, name].filter(Boolean).join('/'))}`;
  }
}

function common(stats: BigIntStats, at: ByteString) {
  return {
    mode: Number(stats.mode % 0o10000n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: timestamp(stats.mtimeNs),
    xattrs: readXattrs(at),
  };
}

function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}
