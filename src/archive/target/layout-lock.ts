import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { wrapErrno } from '../../error/index.ts';
import { type FileLock, tryLock } from '../../host/index.ts';
import { ArchiveError, checkAbort } from '../error.ts';

/** While index.json is replaced; no longer there afterwards. */
export const lockName = '.shale.lock';

/** Replacing index.json takes milliseconds, so whoever holds the lock for this long is stuck. */
const patience = 30_000;
const pause = 20;

/** Waits for other processes that change the same layout. ArchiveError `conflict` if that takes too long. */
export async function lockLayout(directory: string, signal: AbortSignal | undefined): Promise<FileLock> {
  const path = join(directory, lockName);
  const deadline = Date.now() + patience;
  for (;;) {
    checkAbort(signal);
    let lock: FileLock | undefined;
    try {
      lock = tryLock(path);
    } catch (error) {
      throw wrapErrno(error, `cannot lock ${directory}`);
    }
    if (lock !== undefined) return lock;
    if (Date.now() > deadline) {
      throw new ArchiveError('conflict', `${directory} is being written by another process`, {
        detail: { path },
        hint: 'wait until it is done, then try again: what was copied already is kept',
      });
    }
    await setTimeout(pause);
  }
}
