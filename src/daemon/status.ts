import { type ErrorCode, isErrno, originalError, ShaleError, wrapErrno } from '../error/index.ts';
import { DaemonError } from './error.ts';

/**
 * The one table of gRPC statuses, as containerd maps its own kinds of errors (errdefs). What containerd calls *failed precondition* is our
 * `conflict`. Numbers are gRPC's.
 */
export const grpcStatus: Readonly<Record<ErrorCode, { readonly name: string; readonly number: number }>> = {
  invalid: { name: 'INVALID_ARGUMENT', number: 3 },
  'not-found': { name: 'NOT_FOUND', number: 5 },
  exists: { name: 'ALREADY_EXISTS', number: 6 },
  denied: { name: 'PERMISSION_DENIED', number: 7 },
  exhausted: { name: 'RESOURCE_EXHAUSTED', number: 8 },
  conflict: { name: 'FAILED_PRECONDITION', number: 9 },
  unsupported: { name: 'UNIMPLEMENTED', number: 12 },
  internal: { name: 'INTERNAL', number: 13 },
  unavailable: { name: 'UNAVAILABLE', number: 14 },
  corrupt: { name: 'DATA_LOSS', number: 15 },
  unauthenticated: { name: 'UNAUTHENTICATED', number: 16 },
  cancelled: { name: 'CANCELLED', number: 1 },
};

/** Statuses that no error of ours becomes, but that containerd may answer with: ABORTED, OUT_OF_RANGE, DEADLINE_EXCEEDED. */
const foreign: Readonly<Record<number, ErrorCode>> = { 10: 'conflict', 11: 'invalid', 4: 'cancelled' };
const codes = new Map(
  Object.entries(grpcStatus).map(([code, { number }]) => [number, code as ErrorCode] as const),
);

/** Whatever a handler has thrown, as an error of ours; what is none is `internal`. */
export function asShaleError(thrown: unknown): ShaleError {
  const error = wrapErrno(originalError(thrown), 'cannot serve the request');
  if (error instanceof ShaleError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new DaemonError('cancelled', 'the caller has gone', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new DaemonError('internal', message, { cause: error });
}

/** What a client's call has failed with, as an error of ours; `doing` says what was asked of whom. */
export function readStatus(thrown: unknown, doing: string): unknown {
  const { code, details } = thrown as { code?: unknown; details?: unknown };
  if (typeof code !== 'number' || typeof details !== 'string' || isErrno(thrown)) return thrown;
  return new DaemonError(codes.get(code) ?? foreign[code] ?? 'internal', `${doing}: ${details}`, {
    cause: thrown,
    detail: { status: code },
  });
}

/** The words that go with a status: what was wrong, and what to do about it. gRPC has one text for both. */
export function describe({ message, hint }: ShaleError): string {
  return (hint === undefined ? message : `${message} (${hint})`).toWellFormed();
}
