import { closeSync, constants, openSync } from 'node:fs';
import { syncFilesystem } from '../../host/index.ts';

/** Makes all that is on a directory's filesystem durable: one call, where thousands of files would each need their own. */
export async function syncPlace(directory: string): Promise<void> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await syncFilesystem(fd);
  } finally {
    closeSync(fd);
  }
}
