import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from 'node:fs';
import { type ByteString, byteString } from '../tree/index.ts';
import { HostError } from './error.ts';
import { pathBytes } from './libc.ts';

const directoryFlags = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);
/** Open descriptors of one descent, at most; deeper ones give up the outermost and find it again by `..`. */
const mostOpen = 48;

interface Level {
  readonly name: ByteString;
  fd: number | undefined;
  device?: bigint;
  inode?: bigint;
}

/**
 * A position in a tree of directories. Every step is one component relative to an open descriptor, opened with
 * O_NOFOLLOW: no symlink below the start is ever followed, whoever made it and whenever, and no depth is too deep
 * for PATH_MAX. Paths go through `/proc/self/fd`, so that Node's own calls can be used on them; without /proc
 * (not Linux, or not mounted) they are ordinary paths, and only the caller's private parent directory protects them.
 */
export class Descent implements Disposable {
  readonly #start: ByteString;
  readonly #levels: Level[] = [];
  readonly #byDescriptor: boolean;
  #prefix: ByteString;

  private constructor(start: ByteString, fd: number | undefined) {
    this.#start = start;
    this.#byDescriptor = fd !== undefined;
    this.#levels.push({ name: '', fd });
    this.#prefix = fd === undefined ? `${start}/` : `/proc/self/fd/${fd}/`;
  }

  /**
   * Opens a directory to start from; the path is the caller's and its symlinks are followed, but for its last name where
   * that must be the directory `itself`. Throws as `fs` does.
   */
  static open(path: string, last: 'followed' | 'itself' = 'followed'): Descent {
    const start = byteString(path);
    if (process.platform !== 'linux') return new Descent(start, undefined);
    const flags = last === 'itself' ? directoryFlags : constants.O_RDONLY | constants.O_DIRECTORY;
    const fd = openSync(path, flags);
    if (existsSync(`/proc/self/fd/${fd}/.`)) return new Descent(start, fd);
    closeSync(fd);
    return new Descent(start, undefined);
  }

  /**
   * A path of an entry of the present directory, valid until the next step. '.' is the directory itself, and so is '', for
   * which nobody needs leave to search it.
   */
  at(name: ByteString): ByteString {
    return this.#prefix + name;
  }

  /** How many steps below the start. */
  get depth(): number {
    return this.#levels.length - 1;
  }

  /** Steps into a directory. ENOTDIR or ELOOP if the name is a symlink or anything else. Throws as `fs` does. */
  enter(name: ByteString): void {
    const path = pathBytes(this.at(name));
    if (this.#byDescriptor) {
      this.#arrive({ name, fd: openSync(path, directoryFlags) });
      const outer = this.#levels[this.#levels.length - 1 - mostOpen];
      if (outer?.fd !== undefined) {
        const { dev, ino } = fstatSync(outer.fd, { bigint: true });
        outer.device = dev;
        outer.inode = ino;
        closeSync(outer.fd);
        outer.fd = undefined;
      }
    } else {
      closeSync(openSync(path, directoryFlags));
      this.#arrive({ name, fd: undefined });
    }
  }

  /** Steps back out; the start is not left. */
  leave(): void {
    if (this.#levels.length === 1) return;
    const left = this.#levels.pop()!;
    const parent = this.#levels.at(-1)!;
    try {
      if (this.#byDescriptor && parent.fd === undefined) {
        parent.fd = openSync(`/proc/self/fd/${left.fd}/..`, directoryFlags);
        const { dev, ino } = fstatSync(parent.fd, { bigint: true });
        if (dev !== parent.device || ino !== parent.inode) {
          throw new HostError('conflict', `a directory was moved while it was read`, {
            hint: 'nothing else may change the directory meanwhile',
          });
        }
      }
    } finally {
      if (left.fd !== undefined) closeSync(left.fd);
    }
    this.#aim();
  }

  /** The path from the start, for messages. */
  get path(): ByteString {
    return this.#levels
      .slice(1)
      .map(({ name }) => name)
      .join('/');
  }

  #arrive(level: Level): void {
    this.#levels.push(level);
    this.#aim();
  }

  #aim(): void {
    if (this.#byDescriptor) this.#prefix = `/proc/self/fd/${this.#levels.at(-1)!.fd}/`;
    else this.#prefix = `${[this.#start, ...this.#levels.slice(1).map(({ name }) => name)].join('/')}/`;
  }

  [Symbol.dispose](): void {
    for (const level of this.#levels) {
      if (level.fd !== undefined) closeSync(level.fd);
      level.fd = undefined;
    }
  }
}

/** Whether anything stands at the path, a dangling symlink included. */
export function isThere(path: ByteString): boolean {
  return lstatSync(pathBytes(path), { throwIfNoEntry: false }) !== undefined;
}
