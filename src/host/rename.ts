import { isErrno } from '../error/index.ts';
import type { ByteString } from '../tree/index.ts';
import { call, cString, findCall } from './libc.ts';

const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

/**
 * Renames and fails with EEXIST if the new name is taken, in one step. False, with nothing done, where the libc, the
 * kernel or the filesystem cannot.
 */
export function renameNew(from: ByteString, to: ByteString): boolean {
  return tryRename(from, to, RENAME_NOREPLACE);
}

/** Gives each of two paths the other's name, in one step; both must be there. False, with nothing done, where that cannot be. */
export function exchangeNames(one: ByteString, other: ByteString): boolean {
  return tryRename(one, other, RENAME_EXCHANGE);
}

function tryRename(from: ByteString, to: ByteString, flags: number): boolean {
  if (findCall('renameat2') === undefined) return false;
  try {
    call('renameat2', from, AT_FDCWD, cString(from), AT_FDCWD, cString(to), flags);
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) return false;
    throw error;
  }
}
