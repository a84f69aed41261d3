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
 * followed. Nothing there is success.
 */
export function removeTree(path: string): void {
  try {
    unlinkSync(path);
    return;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return;
    if (!isErrno(error, 'EISDIR', 'EPERM')) throw error;
  }
  unlock(byteString(path));
  {
    using descent = Descent.open(path);
    const pending: ByteString[][] = [readNames(descent.at('.'))];
    const entered: ByteString[] = [];
    for (let names = pending.at(-1); names !== undefined; names = pending.at(-1)) {
      const name = names.pop();
      if (name === undefined) {
        pending.pop();
        const done = entered.pop();
        if (done === undefined) break;
        descent.leave();
        rmdirSync(pathBytes(descent.at(done)));
        continue;
      }
      try {
        unlinkSync(pathBytes(descent.at(name)));
      } catch (error) {
        if (isErrno(error, 'ENOENT')) continue;
        if (!isErrno(error, 'EISDIR', 'EPERM')) throw error;
        enter(descent, name);
        entered.push(name);
        pending.push(readNames(descent.at('.')));
      }
    }
  }
  rmdirSync(path);
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
  unlock(descent.at('.'));
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
