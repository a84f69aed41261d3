import { readLocation, verified } from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import type { StoredArtifact } from '../../store/index.ts';

/**
 * Reads a file of the cache, all of it, before something is made of what it holds: a damaged byte would get a digest that
 * vouches for it. ShaleError `corrupt` if the file is not what was stored.
 */
export async function checkSource(
  { path, size, digest }: StoredArtifact,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    for await (const _ of verified(readLocation({ path, offset: 0, size }, { signal }), { digest, size }));
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code !== 'corrupt') throw error;
    throw new ShaleError('corrupt', `${path}, a layer in the cache, is damaged: ${error.message}`, {
      cause: error,
      detail: { path },
      hint: 'shale fsck --repair drops it, and it is made anew',
    });
  }
}
