import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../error/index.ts';
import { type ExistingLock, tryLockExisting } from '../host/index.ts';
import { listNames } from './layout.ts';
import type { Trash } from './trash.ts';

/** Whether a name there is of what is still being made, and is to be renamed when it is whole. */
export function isWarmDraft(name: string): boolean {
  return name.startsWith('.') || name.endsWith('.draft');
}

/** Whether somebody holds a lock in it, be it a shared one. */
export function isWarmUsed(path: string): boolean {
  const locks = lockAll(path);
  for (const lock of locks ?? []) lock[Symbol.dispose]();
  return locks === undefined;
}

/** Takes one away, unless it is in use: false then. Whoever wants to use it cannot lock it meanwhile. */
export function takeWarm(path: string, trash: Trash): boolean {
  const locks = lockAll(path);
  if (locks === undefined) return false;
  try {
    trash.take(path);
    rmdirSync(join(path, '..'));
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error;
  } finally {
    for (const lock of locks) lock[Symbol.dispose]();
  }
  return true;
}

/** All locks in a directory; `undefined` if one is somebody else's. */
function lockAll(path: string): ExistingLock[] | undefined {
  const locks: ExistingLock[] = [];
  for (const name of listNames(path)) {
    if (name !== 'lock' && !name.endsWith('.lock')) continue;
    try {
      const lock = tryLockExisting(join(path, name));
      if (lock !== undefined) {
        locks.push(lock);
        continue;
      }
    } catch (error) {
      if (isErrno(error, 'ENOENT')) continue;
      throw error;
    }
    for (const held of locks) held[Symbol.dispose]();
    return undefined;
  }
  return locks;
}
