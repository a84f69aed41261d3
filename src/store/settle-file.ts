import { chmodSync, closeSync, lstatSync, openSync } from 'node:fs';
import { wrapErrno } from '../error/index.ts';
import { syncFile } from '../host/index.ts';
import { StoreError } from './error.ts';

/** What artifacts and their trees may be used for, by whoever gets into the cache or finds a link to them: reading. */
export const artifactMode = 0o444;

/** Checks what was written, and makes it durable and nobody's to write. StoreError `internal` for another size. */
export async function settleFile(path: string, size: number): Promise<void> {
  const stats = lstatSync(path);
  if (!stats.isFile() || stats.size !== size) {
    throw new StoreError('internal', `${path} has ${stats.size} bytes, not ${size}`);
  }
  chmodSync(path, artifactMode);
  const fd = openSync(path, 'r');
  try {
    await syncFile(fd);
  } catch (error) {
    throw wrapErrno(error, `cannot make ${path} durable`);
  } finally {
    closeSync(fd);
  }
}
