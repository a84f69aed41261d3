import { type ErrorCode, ShaleError } from './shale-error.ts';

/** The errnos that mean something else than "internal" to a user. */
const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'invalid',
  EISDIR: 'invalid',
  ENAMETOOLONG: 'invalid',
  ELOOP: 'invalid',
  EEXIST: 'exists',
  ENOTEMPTY: 'exists',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  EFBIG: 'exhausted',
  EIO: 'unavailable',
};

export function isErrno(error: unknown, ...names: string[]): error is NodeJS.ErrnoException {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return (
    error instanceof Error &&
    typeof code === 'string' &&
    (names.length === 0 ? code in codes : names.includes(code))
  );
}

/** Turns a system call's failure into a typed error that says what was being done; other errors pass unchanged. */
export function wrapErrno(error: unknown, doing: string): unknown {
  if (error instanceof ShaleError || !(error instanceof Error)) return error;
  const errno = (error as NodeJS.ErrnoException).code;
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const { path, syscall } = error as NodeJS.ErrnoException;
  const why = error.message.replace(/^E[A-Z0-9]+: /, '').replace(/, [a-z]+( '.*)?$/, '');
  return new ShaleError(codes[errno] ?? 'internal', `${doing}: ${why} (${errno})`, {
    cause: error,
    detail: { errno, path, syscall },
  });
}
