import { existsSync } from 'node:fs';
import { waitForLock } from '../../../host/index.ts';
import { settle } from './settle.ts';

/**
 * Makes a file if it is not there, once for all who ask at the same time, in whatever process: `build` writes it at another path, in an empty file or over
 * what a crash has left there.
 */
export async function buildOnce(
  path: string,
  build: (draft: string) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  if (existsSync(path)) return;
  const lock = await waitForLock(`${path}.lock`, { signal });
  try {
    if (existsSync(path)) return;
    const draft = `${path}.new`;
    await build(draft);
    await settle(draft, path);
  } finally {
    lock.remove();
  }
}
