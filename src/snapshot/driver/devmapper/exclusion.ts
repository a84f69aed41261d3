import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfAborted, tryLock } from '../../../host/index.ts';

/** Milliseconds between attempts; what is done under the lock takes some tens of them. */
const pause = 10;

/** Does something that no other process, and nobody else in this one, does at the same time. Waits for its turn. */
export async function exclusively<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    throwIfAborted(signal);
    using lock = tryLock(path);
    if (lock !== undefined) return await work();
    await sleep(pause);
  }
}
