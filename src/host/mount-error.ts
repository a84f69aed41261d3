import { type ErrorCode, errnoMessage } from '../error/index.ts';
import { HostError } from './error.ts';

/** A failed call as an error with a code, and the kernel's reasons where it gave some. */
export function explainMount(doing: string, error: unknown, messages: readonly string[]): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const { code: errno = '', errno: number = 0, syscall } = error as NodeJS.ErrnoException;
  // The first letter: an error, a warning, or information.
  const reasons = messages.map(message => message.replace(/^[ewi] /, ''));
  const why = reasons.length > 0 ? reasons.join('; ') : errnoMessage(-number);
  return new HostError(codes[errno] ?? 'internal', `${doing}: ${why} (${errno})`, {
    cause: error,
    detail: { errno, syscall, messages: reasons },
    ...hints[errno],
  });
}

const codes: Readonly<Record<string, ErrorCode>> = {
  ENODEV: 'unsupported',
  ENOSYS: 'unsupported',
  ENOTSUP: 'unsupported',
  EPERM: 'denied',
  EACCES: 'denied',
  ENOENT: 'not-found',
  ENOTDIR: 'invalid',
  EINVAL: 'invalid',
  ENOTBLK: 'unsupported',
  ELOOP: 'invalid',
  ENAMETOOLONG: 'invalid',
  EBUSY: 'conflict',
  EUCLEAN: 'corrupt',
  EIO: 'corrupt',
  EBADMSG: 'corrupt',
  ENOMEM: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  ENOSPC: 'exhausted',
};

const hints: Readonly<Record<string, { readonly hint: string }>> = {
  ENODEV: { hint: 'this kernel has no such filesystem; load its module, or use another kernel' },
  ENOSYS: { hint: 'this takes Linux 5.2 or later' },
  EPERM: { hint: 'mounting takes root (CAP_SYS_ADMIN)' },
  EACCES: { hint: 'mounting takes root (CAP_SYS_ADMIN)' },
};
