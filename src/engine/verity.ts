import { ShaleError } from '../error/index.ts';
import type { Store, StoredArtifact, StoredVerity } from '../store/index.ts';
import { createVerityTree } from '../verity/index.ts';

/**
 * The hash tree of an artifact: made once, and kept beside it. It has no salt, so its root hash is the one that the cache has of the
 * artifact. Two who want one at once may both make it: they make the same bytes, and the last one's stay.
 *
 * VerityError `invalid` for an artifact of no whole number of blocks of 4096 bytes (a squashfs is padded to that); StoreError
 * `not-found` if it was removed meanwhile.
 */
export async function ensureVerity(
  store: Store,
  artifact: StoredArtifact,
  signal?: AbortSignal | undefined,
): Promise<StoredVerity> {
  const found = store.findVerity(artifact);
  // An earlier version's tree has a salt.
  const known = found?.salt === '' ? found : undefined;
  const { path: data, rootHash } = artifact;
  const made = known ?? (await store.putVerity(artifact, tree => createVerityTree({ data, tree, signal })));
  if (rootHash === undefined || made.rootHash === rootHash) return made;
  throw new ShaleError('corrupt', `${data} is damaged: its root hash is ${made.rootHash}, not ${rootHash}`, {
    detail: { path: data, rootHash, actual: made.rootHash },
    hint: 'shale fsck --repair drops it, and it is made again',
  });
}
