import { ShaleError } from '../error/index.ts';

/** A layout or an archive is not what its format asks for, or does not hold what was asked of it. */
export class ArchiveError extends ShaleError {}

/** Throws ArchiveError `cancelled` once the signal is aborted. */
export function checkAbort(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ArchiveError('cancelled', 'cancelled', { cause: signal.reason });
}
