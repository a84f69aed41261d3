import { constants } from 'node:os';
import { getSystemErrorMessage } from 'node:util';
import { type ErrorCode, ShaleError } from './shale-error.ts';

/**
 * Linux has more than Node knows, or has words for: of asm-generic/errno.h, which is that of every processor that Node runs on. Of 95 Node has two names, and
 * words for sockets.
 */
const linux: readonly (readonly [number, string, string])[] = [
  [15, 'ENOTBLK', 'block device required'],
  [35, 'EDEADLK', 'resource deadlock avoided'],
  [37, 'ENOLCK', 'no locks available'],
  [65, 'ENOPKG', 'package not installed'],
  [74, 'EBADMSG', 'bad message'],
  [87, 'EUSERS', 'too many users'],
  [95, 'ENOTSUP', 'operation not supported'],
  [108, 'ESHUTDOWN', 'cannot send after transport endpoint shutdown'],
  [116, 'ESTALE', 'stale file handle'],
  [117, 'EUCLEAN', 'structure needs cleaning'],
  [121, 'EREMOTEIO', 'remote I/O error'],
  [122, 'EDQUOT', 'disk quota exceeded'],
  [123, 'ENOMEDIUM', 'no medium found'],
  [124, 'EMEDIUMTYPE', 'wrong medium type'],
  [126, 'ENOKEY', 'required key not available'],
  [127, 'EKEYEXPIRED', 'key has expired'],
  [128, 'EKEYREVOKED', 'key has been revoked'],
  [129, 'EKEYREJECTED', 'key was rejected by service'],
];

const names = new Map<number, string>(linux.map(([number, name]) => [number, name]));
const own = new Set<number>();
for (const [name, number] of Object.entries(constants.errno)) {
  if (!own.has(number)) names.set(number, name);
  own.add(number);
}

/** An errno's name, such as `ENOENT`; of two names for one number always the same. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** What an errno means, in the kernel's words. */
export function errnoMessage(errno: number): string {
  const words = linux.find(([number]) => number === errno)?.[2];
  if (words !== undefined) return words;
  return own.has(errno) ? getSystemErrorMessage(-errno) : `system error ${errno}`;
}

/** What Node calls unknown, in one way or another, has a number all the same. */
function codeOf(error: NodeJS.ErrnoException): string | undefined {
  const { code, errno } = error;
  const isNamed = typeof code === 'string' && /^E[A-Z0-9]+$/.test(code);
  return isNamed || typeof errno !== 'number' || error.syscall === undefined ? code : errnoName(-errno);
}

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
  EREMOTEIO: 'unavailable',
  ENOMEDIUM: 'unavailable',
  EUCLEAN: 'corrupt',
};

/** Whether a call failed with one of these errnos (of one that has two names, either), or with any that means something. */
export function isErrno(error: unknown, ...wanted: string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  return (
    typeof code === 'string' &&
    (wanted.length === 0 ? code in codes : wanted.map(oneName).includes(oneName(code)))
  );
}

function oneName(code: string): string {
  return code === 'EOPNOTSUPP' ? 'ENOTSUP' : code;
}

/** Turns a system call's failure into a typed error that says what was being done; other errors pass unchanged. */
export function wrapErrno(error: unknown, doing: string): unknown {
  if (error instanceof ShaleError || !(error instanceof Error)) return error;
  const errno = codeOf(error);
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const { path, syscall, errno: number } = error as NodeJS.ErrnoException;
  const isNamed = (error as NodeJS.ErrnoException).code === errno;
  const why = isNamed
    ? error.message.replace(/^E[A-Z0-9]+: /, '').replace(/, [a-z]+( '.*)?$/, '')
    : errnoMessage(-number!);
  return new ShaleError(codes[errno] ?? 'internal', `${doing}: ${why} (${errno})`, {
    cause: error,
    detail: { errno, path, syscall },
  });
}
