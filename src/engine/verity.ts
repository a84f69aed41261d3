import { digestHex } from '../oci/index.ts';
import type { Store, StoredArtifact, StoredVerity } from '../store/index.ts';
import { createVerityTree } from '../verity/index.ts';

/**
 * The hash tree of an artifact: made once, and kept beside it. Its salt is the artifact's digest, so the same artifact has the same
 * root hash everywhere. Two who want one at once may both make it: they make the same bytes, and the last one's stay.
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
  if (found !== undefined) return found;
  const { digest, path: data } = artifact;
  const salt = Buffer.from(digestHex(digest), 'hex');
  return await store.putVerity(artifact, tree => createVerityTree({ data, tree, salt, signal }));
}
