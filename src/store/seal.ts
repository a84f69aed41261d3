import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { isImmutable, setImmutable } from '../host/index.ts';
import { unsealFile } from '../verity/seal.ts';
import { StoreError } from './error.ts';

/** A file cannot be removed: it is sealed, and we may not break the seal. */
export class SealError extends StoreError {}

/**
 * Removes, renames or replaces a name of a file, which does not work while the file is immutable: then the seal is taken off, and it is
 * tried again. If the file has other names, outside of the cache, it is sealed again under these. SealError `denied` if we may
 * not break the seal.
 */
export function withoutSeal(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    breakSeal(path, error, work);
  }
}

/** SealError if the file is sealed, and `withoutSeal` could do nothing about it. */
export function requireRemovable(path: string): void {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return; // Nothing that can be sealed: whoever removes it says what is wrong.
  }
  try {
    if (!isSealed(file)) return;
    unseal(path);
    setImmutable(file, 'set');
  } finally {
    closeSync(file);
  }
}

function breakSeal(path: string, cause: unknown, work: () => void): void {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!isSealed(file)) throw cause;
    const isElsewhere = fstatSync(file).nlink > 1;
    unseal(path, cause);
    try {
      work();
    } finally {
      if (isElsewhere) setImmutable(file, 'set');
    }
  } finally {
    closeSync(file);
  }
}

function isSealed(file: number): boolean {
  try {
    return isImmutable(file);
  } catch (error) {
    // A filesystem without such flags, or no libc.
    if (isErrno(error, 'ENOTTY', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) return false;
    throw error;
  }
}

function unseal(path: string, cause?: unknown): void {
  const outcome = unsealFile(path);
  if (outcome.done) return;
  throw new SealError('denied', `it is sealed, and cannot be removed: that ${outcome.reason}`, {
    cause,
    detail: { path },
    hint: `root may take the seal off: chattr -i ${path}`,
  });
}
