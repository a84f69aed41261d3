import { chmodSync, readdirSync, realpathSync, rmdirSync, unlinkSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { type ByteString, byteString, printable } from '../tree/index.ts';
import { Descent } from './descent.ts';
import { HostError } from './error.ts';
import { pathBytes } from './libc.ts';
import { listMountsIn } from './mount-point.ts';

/** All names in a directory, as bytes, `.` and `..` left out, in no order. */
export function readNames(path: ByteString): ByteString[] {
  return readdirSync(pathBytes(path), { encoding: 'latin1' });
}

/**
 * Removes a tree of our own: any depth, any names, directories without permissions too; symlinks are removed, never
 * followed, `path` itself included. Nothing there is success, also where another process removes the same. HostError `conflict`
 * while something is mounted in it: that is somebody else's, and stays with all that is in it.
 */
export function removeTree(path: string): void {
  if (unlinkIfPossible(byteString(path))) return;
  requireUnmounted(path);
  try {
    unlessGone(() => {
      unlock(byteString(path));
      {
        using descent = Descent.open(path, 'itself');
        removeNames(descent);
      }
      rmdirSync(path);
    });
  } catch (error) {
    if (!isErrno(error, 'EBUSY')) throw error;
    throw new HostError('conflict', `${path} cannot be removed: something is mounted on a directory of it`, {
      cause: error,
      detail: { path },
    });
  }
}

function requireUnmounted(path: string): void {
  const real = unlessGone(() => realpathSync.native(path, 'buffer').toString('latin1'));
  const mounted = real === undefined ? undefined : listMountsIn(real).at(-1)?.target;
  if (mounted === undefined) return;
  throw new HostError(
    'conflict',
    `something is mounted at ${printable(mounted)}, so ${path} cannot be removed`,
    {
      detail: { path, mounted: printable(mounted) },
      hint: `unmount it first: umount ${printable(mounted)}`,
    },
  );
}

/** `undefined` if what it is about has been removed meanwhile. */
function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    return undefined;
  }
}

/** The same for a name in the directory where the descent is; it is there again at the end. */
export function removeEntry(descent: Descent, name: ByteString): void {
  if (unlinkIfPossible(descent.at(name))) return;
  enter(descent, name);
  removeNames(descent);
  descent.leave();
  rmdirSync(pathBytes(descent.at(name)));
}

/** True if it is gone; false if it is a directory. */
function unlinkIfPossible(path: ByteString): boolean {
  try {
    unlinkSync(pathBytes(path));
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return true;
    if (!isErrno(error, 'EISDIR', 'EPERM')) throw error;
    return false;
  }
}

/** Empties the directory where the descent is. */
function removeNames(descent: Descent): void {
  const pending: ByteString[][] = [namesHere(descent)];
  const entered: ByteString[] = [];
  for (let names = pending.at(-1); names !== undefined; names = pending.at(-1)) {
    const name = names.pop();
    if (name === undefined) {
      pending.pop();
      const done = entered.pop();
      if (done === undefined) return;
      descent.leave();
      unlessGone(() => rmdirSync(pathBytes(descent.at(done))));
    } else if (!unlinkIfPossible(descent.at(name)) && enterIfThere(descent, name)) {
      entered.push(name);
      pending.push(namesHere(descent));
    }
  }
}

function namesHere(descent: Descent): ByteString[] {
  return unlessGone(() => readNames(descent.at('.'))) ?? [];
}

function enterIfThere(descent: Descent, name: ByteString): boolean {
  return (
    unlessGone(() => {
      enter(descent, name);
      return true;
    }) === true
  );
}

/** `Descent.enter` first, so that what is not a directory is an error before its mode is touched. */
function enter(descent: Descent, name: ByteString): void {
  try {
    descent.enter(name);
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    unlock(descent.at(name));
    descent.enter(name);
    return;
  }
  unlock(descent.at(''));
}

function unlock(path: ByteString): void {
  // Only root may write to a directory that denies it; the owner grants it to himself first.
  if (process.geteuid?.() === 0) return;
  try {
    chmodSync(pathBytes(path), 0o700);
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
  }
}
