import { constants } from 'node:os';
import { ShaleError } from '../error/index.ts';

/** What the operating system refused, or what stands in the way on disk. */
export class HostError extends ShaleError {}

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) if (!names.has(number)) names.set(number, name);

/** An errno's name, such as `ENOENT`; of two names for one number always the same. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

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
