import { ShaleError } from '../error/index.ts';

/** A hypervisor is not there, does not start, or does not do what it was asked. */
export class VmmError extends ShaleError {}

/** Throws VmmError `cancelled` once the signal is aborted. */
export function checkAbort(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new VmmError('cancelled', 'cancelled', { cause: signal.reason });
}
