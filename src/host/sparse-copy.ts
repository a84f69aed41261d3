import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { isErrno } from '../error/index.ts';
import type { ByteString } from '../tree/index.ts';
import { findCall, pathBytes } from './libc.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const portion = 1024 * 1024;

/**
 * Copies a file to a name where there is none: its contents, shared where the filesystem can do that, and else with the holes that it has. Mode and all else are the
 * caller's. Throws as `fs` does.
 */
export function copyContents(source: ByteString, target: ByteString): void {
  const [from, to] = [pathBytes(source), pathBytes(target)];
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL + constants.COPYFILE_FICLONE_FORCE);
    return;
  } catch (error) {
    if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM')) throw error;
  }
  const fd = openSync(from, constants.O_RDONLY + constants.O_NOFOLLOW);
  try {
    const { size, blocks } = fstatSync(fd);
    if (blocks * 512 < size && findCall('lseek') !== undefined) copyData(fd, to, size);
    else copyFileSync(from, to, constants.COPYFILE_EXCL);
  } finally {
    closeSync(fd);
  }
}

function copyData(from: number, target: Buffer, size: number): void {
  const to = openSync(target, constants.O_WRONLY + constants.O_CREAT + constants.O_EXCL, 0o600);
  try {
    ftruncateSync(to, size);
    const buffer = Buffer.allocUnsafe(Math.min(size, portion));
    for (let end = 0; end < size; ) {
      let at = seek(from, end, SEEK_DATA) ?? size;
      end = at < size ? (seek(from, at, SEEK_HOLE) ?? size) : size;
      while (at < end) {
        const length = readSync(from, buffer, 0, Math.min(buffer.length, end - at), at);
        if (length === 0) return;
        for (let written = 0; written < length; )
          written += writeSync(to, buffer, written, length - written, at + written);
        at += length;
      }
    }
  } finally {
    closeSync(to);
  }
}

/** `undefined` past the last of them. Filesystems that know no holes say that all is data. */
function seek(fd: number, offset: number, whence: number): number | undefined {
  const found = findCall('lseek')!(fd, offset, whence);
  return found < 0 ? undefined : Number(found);
}
