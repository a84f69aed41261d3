import { readlinkSync } from 'node:fs';
import { isErrno } from '../error/index.ts';

/** The first user namespace of a running kernel has a number that never changes (include/uapi/linux/nsfs.h, linux/proc_ns.h). */
const initial = 'user:[4026531837]';

/**
 * Whether this process lives in a user namespace other than the machine's own: whatever capabilities it has there, it lacks them
 * over `trusted.*` attributes, over most filesystems, and over what belongs to ids that are not mapped. False without /proc.
 */
export function inUserNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/user') !== initial;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EINVAL')) return false;
    throw error;
  }
}
