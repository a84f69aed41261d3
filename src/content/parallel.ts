import { ContentError } from './error.ts';

/**
 * Calls `work` for every item, at most `limit` at once, in order. After the first failure nothing more is started, the
 * signal that `work` was given is aborted, and once all have ended the promise rejects with that failure.
 */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const onAbort = () => abort.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  let [next, failed, failure] = [0, false, undefined as unknown];
  const run = async () => {
    while (next < items.length && !failed) {
      try {
        if (signal?.aborted) throw new ContentError('cancelled', 'cancelled', { cause: signal.reason });
        await work(items[next++]!, abort.signal);
      } catch (error) {
        if (!failed) [failed, failure] = [true, error];
        abort.abort(error);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(limit, items.length) }, run));
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
  if (failed) throw failure;
}
