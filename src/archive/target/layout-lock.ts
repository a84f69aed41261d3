import { join } from 'node:path';
import { type FileLock, waitForLock } from '../../host/index.ts';
import { ArchiveError } from '../error.ts';

/** While index.json is replaced; no longer there afterwards. */
export const lockName = '.shale.lock';

/** Replacing index.json takes milliseconds, so whoever holds the lock for this long is stuck. */
const patience = 30_000;

/** Waits for other processes that change the same layout. ArchiveError `conflict` if that takes too long. */
export async function lockLayout(directory: string, signal: AbortSignal | undefined): Promise<FileLock> {
  const path = join(directory, lockName);
  const deadline = Date.now() + patience;
  return await waitForLock<never>(path, {
    signal,
    until() {
      if (Date.now() <= deadline) return undefined;
      throw new ArchiveError('conflict', `${directory} is being written by another process`, {
        detail: { path },
        hint: 'wait until it is done, then try again: what was copied already is kept',
      });
    },
  });
}
