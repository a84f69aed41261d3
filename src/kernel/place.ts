import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../error/index.ts';
import { type FileLock, syncDirectoryNow, throwIfAborted, tryLock } from '../host/index.ts';
import { KernelError } from './error.ts';

/** Where kernels lie below the root of the cache. What is not a kernel has a name with a dot in front. */
export class KernelPlace {
  readonly directory: string;

  constructor(root: string) {
    this.directory = join(resolve(root), 'kernels');
  }

  /** A name that is not one's own is never a path: KernelError `invalid`. */
  kernel(name: string): string {
    if (isKernelName(name)) return join(this.directory, name);
    throw new KernelError('invalid', `${JSON.stringify(name)} is no name of a kernel`, {
      hint: 'it has letters, digits, and + . _ ~ - after the first of them',
    });
  }

  /** Holds the name of the kernel that is taken where none is named. */
  get chosen(): string {
    return join(this.directory, '.default');
  }

  /** Held while something in here is changed. */
  get lock(): string {
    return join(this.directory, '.lock');
  }

  /** What is known of files outside: one small file each. */
  get facts(): string {
    return join(this.directory, '.files');
  }

  /** Kernels that were taken out of images outside, by the image's digest. */
  get extracted(): string {
    return join(this.directory, '.images');
  }

  create(): void {
    ensureDirectory(dirname(this.directory));
    ensureDirectory(this.directory);
  }
}

export function isKernelName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9+._~-]{0,199}$/.test(name);
}

/** Makes a directory (0700), durable in its parent, if it is not there. */
export function ensureDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    syncDirectoryNow(dirname(path));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw wrapErrno(error, `cannot create ${path}`);
  }
}

/** Milliseconds between two looks at a lock that somebody holds. */
const interval = 50;

/** Waits until nobody else changes anything here. */
export async function lockKernels(place: KernelPlace, signal: AbortSignal | undefined): Promise<FileLock> {
  place.create();
  for (;;) {
    throwIfAborted(signal);
    const lock = tryLock(place.lock);
    if (lock !== undefined) return lock;
    await setTimeout(interval);
  }
}
