import { chmodSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { type ByteString, byteString } from '../tree/index.ts';
import { Descent } from './descent.ts';
import { pathBytes } from './libc.ts';

/** All names in a directory, as bytes, `.` and `..` left out, in no order. */
export function readNames(path: ByteString): ByteString[] {
  return readdirSync(pathBytes(path), { encoding: 'latin1' });
}

/**
 * Removes a tree of our own: any depth, any names, directories without permissions too; symlinks are removed, never
 * followed, `path` itself included. Nothing there is success.
 */
export function removeTree(path: string): void {
  if (unlinkIfPossible(byteString(path))) return;
  unlock(byteString(path));
  {
    using descent = Descent.open(path, 'itself');
    removeNames(descent);
  }
  rmdirSync(path);
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
  const pending: ByteString[][] = [readNames(descent.at('.'))];
  const entered: ByteString[] = [];
  for (let names = pending.at(-1); names !== undefined; names = pending.at(-1)) {
    const name = names.pop();
    if (name === undefined) {
      pending.pop();
      const done = entered.pop();
      if (done === undefined) return;
      descent.leave();
      rmdirSync(pathBytes(descent.at(done)));
    } else if (!unlinkIfPossible(descent.at(name))) {
      enter(descent, name);
      entered.push(name);
      pending.push(readNames(descent.at('.')));
    }
  }
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
