import { errnoName, ShaleError } from '../error/index.ts';

/** What the operating system refused, or what stands in the way on disk. */
export class HostError extends ShaleError {}

/** A failed call of libc in the shape that Node gives its own, so that `isErrno` and `wrapErrno` know it. */
export function systemError(syscall: string, errno: number, path?: string): NodeJS.ErrnoException {
  const code = errnoName(errno);
  const error: NodeJS.ErrnoException = new Error(`${code}: ${syscall} failed, ${syscall}`);
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}

/** Throws a `cancelled` error if the signal was raised. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof ShaleError) throw signal.reason;
  throw new HostError('cancelled', 'cancelled', { cause: signal.reason });
}
