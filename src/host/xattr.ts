import { isErrno } from '../error/index.ts';
import type { ByteString } from '../tree/index.ts';
import { call, cString, hasLibc } from './libc.ts';

/** Sets one attribute of what the path names itself, a symlink included. Throws as `fs` does. */
export function setXattr(path: ByteString, name: ByteString, value: Uint8Array): void {
  call('lsetxattr', path, cString(path), cString(name), value, value.length, 0);
}

/** Removes an attribute; one that is not there, or that the filesystem does not know, is no failure. */
export function removeXattr(path: ByteString, name: ByteString): void {
  if (!hasLibc()) return;
  try {
    call('lremovexattr', path, cString(path), cString(name));
  } catch (error) {
    if (!isErrno(error, 'ENODATA', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EACCES')) throw error;
  }
}

/**
 * All attributes that the caller may see, of the path itself (symlinks are not followed), by name. Empty where the
 * filesystem has none or there is no libc. `trusted.*` is hidden by the kernel from all but root.
 */
export function readXattrs(path: ByteString): Map<ByteString, Uint8Array> {
  const found = new Map<ByteString, Uint8Array>();
  if (!hasLibc()) return found;
  const where = cString(path);
  const list = grow(buffer => call('llistxattr', path, where, buffer, buffer.length));
  if (list === undefined || list.length === 0) return found;
  for (const name of list.toString('latin1', 0, list.length - 1).split('\0')) {
    const key = cString(name);
    const value = grow(buffer => call('lgetxattr', path, where, key, buffer, buffer.length));
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

/** The value of one attribute of the path itself; `undefined` if it has none of that name, or none can be read. */
export function readXattr(path: ByteString, name: ByteString): Uint8Array | undefined {
  if (!hasLibc()) return undefined;
  const [where, key] = [cString(path), cString(name)];
  return grow(buffer => call('lgetxattr', path, where, key, buffer, buffer.length));
}

/** XATTR_LIST_MAX and XATTR_SIZE_MAX: the kernel's answer never exceeds it. */
const most = 65536;
const scratch = Buffer.alloc(1024);

function grow(read: (buffer: Buffer) => number): Buffer | undefined {
  try {
    return Buffer.from(scratch.subarray(0, read(scratch)));
  } catch (error) {
    if (isErrno(error, 'ENODATA', 'ENOTSUP', 'EOPNOTSUPP')) return undefined;
    if (!isErrno(error, 'ERANGE')) throw error;
    const large = Buffer.alloc(most);
    return large.subarray(0, read(large));
  }
}
