import { ShaleError } from '../../error/index.ts';
import { throwIfAborted } from '../../host/index.ts';

/** What a caller is told before a request is repeated. `delay` in milliseconds. */
export interface RetryEvent {
  readonly registry: string;
  readonly what: string;
  /** Of the try that failed; the first is 1. */
  readonly attempt: number;
  readonly delay: number;
  readonly reason: string;
}

export interface RetryOptions {
  /** At least 1. */
  readonly tries: number;
  readonly registry: string;
  /** What is being done, for people: `manifest latest`. */
  readonly what: string;
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const base = 500;
const cap = 30_000;
const longestRetryAfter = 120_000;

/**
 * Does something until it succeeds, fails for good, or has failed `tries` times. Waits in between for a random time
 * below 0.5 s, 1 s, 2 s, … 30 s ("full jitter", so that many clients do not return at once), or as long as the server
 * asks for, at most 120 s.
 */
export async function retry<T>(attempt: (number: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let number = 1; ; number++) {
    throwIfAborted(options.signal);
    try {
      return await attempt(number);
    } catch (error) {
      if (!isRetryable(error) || number >= options.tries) throw error;
      await backOff(error as ShaleError, number, options);
    }
  }
}

/** Waits after the failure of try `number`, and says so. */
export async function backOff(
  error: ShaleError,
  number: number,
  { registry, what, onRetry, signal }: Omit<RetryOptions, 'tries'>,
): Promise<void> {
  const { retryAfter } = error.detail;
  const random = Math.random() * Math.min(cap, base * 2 ** Math.min(number - 1, 10));
  const delay = typeof retryAfter === 'number' ? retryAfter : random;
  onRetry?.({ registry, what, attempt: number, delay, reason: error.message });
  await pause(delay, signal);
}

/** Whether the same request may succeed later. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ShaleError && error.code === 'unavailable' && error.detail.retryable === true;
}

/** Statuses that say nothing about the request itself. */
export function isRetryableStatus(status: number): boolean {
  return [408, 429, 500, 502, 503, 504].includes(status);
}

/**
 * The `Retry-After` of a response in milliseconds from now, at most 120 s (RFC 9110, section 10.2.3: seconds or a date);
 * `undefined` if there is none that can be read.
 */
export function parseRetryAfter(text: string | undefined, now = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  const until = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(until) ? undefined : Math.min(Math.max(until, 0), longestRetryAfter);
}

/** Milliseconds. Fails with `cancelled` as soon as the signal says so. */
async function pause(delay: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  const timer = setTimeout(done, delay);
  signal?.addEventListener('abort', done, { once: true });
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener('abort', done);
  throwIfAborted(signal);
}
