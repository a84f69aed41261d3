import { type FileLock, waitForLock } from '../host/index.ts';
import { findArtifact, type StoredArtifact } from './artifact.ts';
import { type ArtifactDraft, createArtifact } from './artifact-draft.ts';
import { type ArtifactKey, formatArtifactKey, subjectDigest } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import { wrapStore } from './error.ts';

/**
 * Begins to make the artifact of a key, alone. Waits while somebody else does, here or in another process; the artifact,
 * if it is there already or by then. Whoever dies, or gives up, makes way for the next one.
 */
export async function beginArtifact(
  catalogue: Catalogue,
  key: ArtifactKey,
  extension: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ArtifactDraft | StoredArtifact> {
  const { layout } = catalogue;
  const there = () => findArtifact(catalogue, key);
  const path = layout.artifactLock(formatArtifactKey(key));
  let waited: FileLock | StoredArtifact;
  try {
    waited = there() ?? (await waitForLock(path, { signal, until: there }));
  } catch (error) {
    throw wrapStore(error, `cannot begin to make ${key.format} of ${subjectDigest(key)}`, layout.root);
  }
  if ('key' in waited) return waited;
  try {
    const found = there();
    if (found === undefined) return createArtifact(catalogue, key, extension, waited);
    waited.remove();
    return found;
  } catch (error) {
    waited.remove();
    throw error;
  }
}
