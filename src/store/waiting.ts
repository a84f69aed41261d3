import { setTimeout } from 'node:timers/promises';
import { type FileLock, throwIfAborted, tryLock } from '../host/index.ts';

/** Milliseconds between two looks at a lock that somebody holds. */
const interval = 50;

/** Waits until nobody holds the lock, and takes it. `until` is asked between looks: a result ends the waiting. */
export async function waitForLock<T = never>(
  path: string,
  options: { readonly signal?: AbortSignal | undefined; readonly until?: () => T | undefined } = {},
): Promise<FileLock | T> {
  for (;;) {
    throwIfAborted(options.signal);
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    const found = options.until?.();
    if (found !== undefined) return found;
    await setTimeout(interval);
  }
}
