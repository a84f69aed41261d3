import { closeSync, constants, fsync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { systemError } from './error.ts';
import { findCall } from './libc.ts';

const SYNC_FILE_RANGE_WRITE = 2;
const fsyncFile = promisify(fsync);

/** Makes one open file durable, without blocking the thread. */
export async function syncFile(fd: number): Promise<void> {
  await fsyncFile(fd);
}

/** Makes a directory's entries durable: without it a rename may be lost with the power. */
export async function syncDirectory(path: string | Buffer): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    await fsyncFile(fd);
  } finally {
    closeSync(fd);
  }
}

/** The same for the directory that holds `path`. */
export async function syncParent(path: string): Promise<void> {
  await syncDirectory(dirname(path));
}

/** Whether `syncFilesystem` can do anything; if not, each file must be synced by itself. */
export function canSyncFilesystem(): boolean {
  return findCall('syncfs') !== undefined;
}

/** Makes all that was written to the filesystem of an open file durable: one call in place of one a file. */
export async function syncFilesystem(fd: number): Promise<void> {
  const syncfs = findCall('syncfs');
  if (syncfs === undefined) throw systemError('syncfs', 38);
  await new Promise<void>((resolve, reject) => {
    syncfs.async(fd, (error, result) => {
      if (error) reject(error);
      else if (result < 0)
        reject(systemError('syncfs', 5)); // errno is lost on the other thread
      else resolve();
    });
  });
}

/**
 * Asks the kernel to start writing a range of a file to the disk, so that a later fsync has less to wait for. Only a
 * hint: does nothing, and never fails, where the call is missing.
 */
export function startWriteback(fd: number, offset: number, length: number): void {
  findCall('sync_file_range')?.(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}
