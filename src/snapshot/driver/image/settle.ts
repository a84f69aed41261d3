import { closeSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { wrapErrno } from '../../../error/index.ts';
import { syncDirectory, syncFile } from '../../../host/index.ts';

/** Makes a finished file durable, and gives it its name: after a crash it has all of its bytes, or is not there. */
export async function settle(from: string, to: string): Promise<void> {
  await sync(from);
  try {
    renameSync(from, to);
    await syncDirectory(dirname(to));
  } catch (error) {
    throw wrapErrno(error, `cannot finish ${to}`);
  }
}

/** Makes a file durable where it is. */
export async function sync(path: string): Promise<void> {
  try {
    const file = openSync(path, 'r');
    try {
      await syncFile(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw wrapErrno(error, `cannot finish ${path}`);
  }
}
