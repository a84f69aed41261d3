import { closeSync, constants, fsyncSync, openSync, renameSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { withTemporaryName } from './temporary.ts';
import { writeAll } from './write.ts';

/**
 * Puts a small file (0600) in the place of what is there, whole and durable, without ever leaving the thread: for
 * callers that hold a lock or a transaction meanwhile. `staging` is where the bytes lie until they are complete, if not
 * beside their place; it must be of the same filesystem. Throws as `fs` does.
 */
export function replaceFile(path: string, bytes: Uint8Array, staging = dirname(path)): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  const name = join(staging, path.slice(dirname(path).length));
  const [temporary, fd] = withTemporaryName(
    name,
    '.tmp',
    made => [made, openSync(made, flags, 0o600)] as const,
  );
  try {
    try {
      writeAll(fd, bytes, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
  syncDirectoryNow(dirname(path));
}

/** Makes a directory's entries durable before it returns. */
export function syncDirectoryNow(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
