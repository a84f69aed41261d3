import { closeSync, constants, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { syncFile, syncParent, withTemporaryName, writeAll } from '../host/index.ts';
import { wrapStore } from './error.ts';
import { ensureDirectory, type Layout } from './layout.ts';

/**
 * A file (0600) that is in its place whole and durable, or not at all. Until then it lies in `ingest`, where what a
 * dead process left is nobody else's business but gc's; the folder of its place is created if it is missing.
 */
export async function placeFile(
  layout: Layout,
  path: string,
  chunks: readonly Uint8Array[],
  renamed: () => void = () => {},
): Promise<void> {
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
    const wish = join(layout.ingests, basename(path));
    const [temporary, fd] = withTemporaryName(
      wish,
      '.tmp',
      name => [name, openSync(name, flags, 0o600)] as const,
    );
    try {
      try {
        let position = 0;
        for (const chunk of chunks) {
          writeAll(fd, chunk, position);
          position += chunk.length;
        }
        await syncFile(fd);
      } finally {
        closeSync(fd);
      }
      ensureDirectory(dirname(path));
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    renamed();
    await syncParent(path);
  } catch (error) {
    throw wrapStore(error, `cannot write ${path}`, layout.root);
  }
}
