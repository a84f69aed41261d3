import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { call, findCall } from './libc.ts';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

export type LockMode = 'exclusive' | 'shared';

/** A lock that is held until it is disposed or its process ends, however it ends. */
export interface FileLock extends Disposable {
  readonly path: string;
  /** Gives the lock up and takes its file away. Whoever waits for it finds that the file is another one, and starts anew. */
  remove(): void;
}

/**
 * Takes flock(2) of a file, which is created (0600) if it is not there; `undefined` while somebody else holds it, be it
 * in this process. Never waits. A lock is only got on the file that the path names: one that is just being removed
 * does not count. Throws as `fs` does.
 *
 * Without libc every lock is free: Shale then works as if it were the only process, and concurrent use of one cache is
 * the user's risk.
 */
export function tryLock(path: string, mode: LockMode = 'exclusive'): FileLock | undefined {
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  for (;;) {
    const fd = openSync(path, flags, 0o600);
    let [locked, same] = [false, false];
    try {
      locked = lockDescriptor(fd, mode);
      same = locked && isSame(fd, path);
    } finally {
      if (!same) closeSync(fd);
    }
    if (!locked) return undefined;
    if (same) return new HeldLock(path, fd);
  }
}

/** A lock on a file that is not ours: it is never created, changed or removed. */
export interface ExistingLock extends Disposable {
  readonly path: string;
  /** Open for reading. A process that inherits it holds the lock too, for as long as it lives. */
  readonly fd: number;
}

/**
 * Takes flock(2) of a file that is there, which need only be readable; `undefined` while somebody else holds it. Never waits.
 * Symlinks are followed: the file is the caller's. Throws as `fs` does; without libc as `tryLock`.
 */
export function tryLockExisting(path: string, mode: LockMode = 'exclusive'): ExistingLock | undefined {
  // O_NONBLOCK: a fifo of that name must not hold us.
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  let open = false;
  try {
    open = lockDescriptor(fd, mode);
  } finally {
    if (!open) closeSync(fd);
  }
  if (!open) return undefined;
  return {
    path,
    fd,
    [Symbol.dispose]() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Whether somebody holds a lock on the file. One that is not there is held by nobody, and is not created. */
export function isLocked(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
  try {
    return !lockDescriptor(fd, 'shared');
  } finally {
    closeSync(fd);
  }
}

/**
 * Takes flock(2) of an open file, on behalf of all who have this descriptor or inherit it: the lock ends when the last of
 * them has closed it. False while somebody else holds it.
 */
export function lockDescriptor(fd: number, mode: LockMode): boolean {
  if (findCall('flock') === undefined) return true;
  for (;;) {
    try {
      call('flock', undefined, fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) + LOCK_NB);
      return true;
    } catch (error) {
      if (isErrno(error, 'EAGAIN', 'EWOULDBLOCK')) return false;
      // A filesystem without locks, such as some network mounts, is as one without libc.
      if (isErrno(error, 'ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) return true;
      if (!isErrno(error, 'EINTR')) throw error;
    }
  }
}

/** Between opening and locking, the one before us may have removed the file. */
function isSame(fd: number, path: string): boolean {
  const ours = fstatSync(fd, { bigint: true });
  const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === ours.ino && named.dev === ours.dev;
}

class HeldLock implements FileLock {
  readonly path: string;
  #fd: number | undefined;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  remove(): void {
    if (this.#fd === undefined) return;
    try {
      unlinkSync(this.path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    } finally {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    closeSync(fd);
  }
}
