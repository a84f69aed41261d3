import {
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { byteString } from '../tree/index.ts';
import { umask } from './environment.ts';
import { HostError } from './error.ts';
import { renameNew } from './rename.ts';
import { startWriteback, syncFile, syncParent } from './sync.ts';
import { withTemporaryName } from './temporary.ts';
import { registerUnfinished } from './unfinished.ts';
import { writeAll } from './write.ts';

export interface AtomicFileOptions {
  /** What a file that is already there means; `error` if not given. A non-file is never replaced. */
  readonly exists?: 'error' | 'replace';
  /** What others may do with it, as for `chmod`; what the umask leaves of 0644 if not given. */
  readonly mode?: number;
}

/**
 * A file that becomes visible whole and durable, or not at all:
 *
 *     await using file = await createAtomicFile('out.sqfs');
 *     file.append(bytes);
 *     await file.commit();
 *
 * Until then it is `.NAME.shale-XXXXXX.tmp` in the same directory, mode 0600; without a commit it is removed. Writes
 * are synchronous: they end in the page cache. All failures are ShaleErrors.
 */
export interface AtomicFile extends AsyncDisposable {
  /** The final path, absolute. */
  readonly path: string;
  /** Open for reading and writing; whoever writes through it tells `startWriteback` how far. */
  readonly fd: number;
  /** The end of what was written through this object, in bytes. */
  readonly size: number;
  /** Writes at `size`; returns the position that it started at. */
  append(chunk: Uint8Array): number;
  writeAt(chunk: Uint8Array, position: number): void;
  /** Cuts the file, or extends it with zeros, to `length` bytes. */
  truncate(length: number): void;
  /** Hints that all up to `end` (`size` if not given) will not change any more and may go to the disk. */
  startWriteback(end?: number): void;
  /** fsync, mode, rename, fsync of the directory. `exists` if it must not replace what has come up since. */
  commit(): Promise<void>;
}

/** Fails early, with `exists`, `not-found` or `denied`, if a commit could only fail. */
export async function createAtomicFile(path: string, options: AtomicFileOptions = {}): Promise<AtomicFile> {
  const target = resolve(path);
  const { exists = 'error', mode } = options;
  try {
    checkTarget(target, exists);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
    return withTemporaryName(target, '.tmp', temporary => {
      return new OpenAtomicFile(target, temporary, openSync(temporary, flags, 0o600), { exists, mode });
    });
  } catch (error) {
    throw missingParent(error, target);
  }
}

class OpenAtomicFile implements AtomicFile {
  readonly path: string;
  readonly fd: number;
  readonly #temporary: string;
  readonly #exists: 'error' | 'replace';
  readonly #mode: number | undefined;
  readonly #release: () => void;
  #state: 'open' | 'closed' = 'open';
  #size = 0;
  #started = 0;

  constructor(
    path: string,
    temporary: string,
    fd: number,
    { exists, mode }: { readonly exists: 'error' | 'replace'; readonly mode: number | undefined },
  ) {
    this.path = path;
    this.fd = fd;
    this.#temporary = temporary;
    this.#exists = exists;
    this.#mode = mode;
    this.#release = registerUnfinished(() => unlinkSync(temporary));
  }

  get size(): number {
    return this.#size;
  }

  append(chunk: Uint8Array): number {
    const position = this.#size;
    this.writeAt(chunk, position);
    return position;
  }

  writeAt(chunk: Uint8Array, position: number): void {
    this.#checkOpen();
    try {
      writeAll(this.fd, chunk, position);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.path}`);
    }
    this.#size = Math.max(this.#size, position + chunk.length);
  }

  truncate(length: number): void {
    this.#checkOpen();
    try {
      ftruncateSync(this.fd, length);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.path}`);
    }
    this.#size = length;
  }

  startWriteback(end = this.#size): void {
    if (end <= this.#started) return;
    startWriteback(this.fd, this.#started, end - this.#started);
    this.#started = end;
  }

  async commit(): Promise<void> {
    try {
      fchmodSync(this.fd, this.#mode ?? 0o666 & ~umask() & 0o644);
      await syncFile(this.fd);
      checkTarget(this.path, this.#exists);
      if (this.#exists === 'error') moveNew(this.#temporary, this.path);
      else renameSync(this.#temporary, this.path);
    } catch (error) {
      throw wrapErrno(error, `cannot finish ${this.path}`);
    }
    this.#close();
    try {
      await syncParent(this.path);
    } catch (error) {
      throw wrapErrno(error, `cannot make ${this.path} durable`);
    }
  }

  /** A late call must not reach another file that got the same number. */
  #checkOpen(): void {
    if (this.#state === 'closed') throw new HostError('internal', `${this.path} is written to after its end`);
  }

  #close(): void {
    this.#state = 'closed';
    this.#release();
    closeSync(this.fd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    this.#close();
    try {
      unlinkSync(this.#temporary);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot remove ${this.#temporary}`);
    }
  }
}

/** Renames without replacing: in one step where the kernel can, else by a link, which fails if the name is taken. */
function moveNew(from: string, to: string): void {
  try {
    if (renameNew(byteString(from), byteString(to))) return;
    linkSync(from, to);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw taken(to, error);
    // No hardlinks on this filesystem: what is left is the check that was made just before.
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

function checkTarget(target: string, exists: 'error' | 'replace'): void {
  const stats: Stats | undefined = lstatSync(target, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (exists === 'error') throw taken(target);
  // A symlink is replaced itself: following one that another user put there would overwrite his choice of file.
  if (stats.isFile() || stats.isSymbolicLink()) return;
  throw new HostError('invalid', `${target} is not a regular file, and is not replaced by one`, {
    detail: { path: target },
    hint: 'name a file',
  });
}

function taken(path: string, cause?: unknown): HostError {
  return new HostError('exists', `${path} exists already`, {
    cause,
    detail: { path },
    hint: 'remove it first, or choose another name',
  });
}

/** ENOENT when creating means the directory, which the errno's own message does not say. */
export function missingParent(error: unknown, target: string): unknown {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) {
    return new HostError('not-found', `${dirname(target)} is not a directory that is there`, {
      cause: error,
      detail: { path: dirname(target) },
      hint: `create it first: ${basename(target)} is to be made in it`,
    });
  }
  return wrapErrno(error, `cannot create ${target}`);
}
