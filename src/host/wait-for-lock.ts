import { setTimeout } from 'node:timers/promises';
import { wrapErrno } from '../error/index.ts';
import { throwIfAborted } from './error.ts';
import { type FileLock, tryLock } from './lock.ts';

/** Milliseconds between two looks at a lock that somebody holds: most are held for a moment, some for long. */
const [shortest, longest] = [2, 50];

export interface WaitOptions<T> {
  readonly signal?: AbortSignal | undefined;
  /** Asked between looks: a result ends the waiting. */
  readonly until?: () => T | undefined;
}

/** Takes a lock, however long others hold it. HostErrors. */
export async function waitForLock<T = never>(
  path: string,
  { signal, until }: WaitOptions<T> = {},
): Promise<FileLock | T> {
  for (let pause = shortest; ; pause = Math.min(2 * pause, longest)) {
    throwIfAborted(signal);
    let lock: FileLock | undefined;
    try {
      lock = tryLock(path);
    } catch (error) {
      throw wrapErrno(error, `cannot lock ${path}`);
    }
    if (lock !== undefined) return lock;
    const found = until?.();
    if (found !== undefined) return found;
    await setTimeout(pause);
  }
}
