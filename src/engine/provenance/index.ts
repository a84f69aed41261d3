/** Where artifacts come from, and what vouches for their bytes, as one document (doc/format/provenance.md). */
import type { Image } from '../../archive/index.ts';
import { ShaleError } from '../../error/index.ts';
import { isWhole } from '../../store/artifact.ts';
import { openStore, type Store, type StoredArtifact } from '../../store/index.ts';
import type { ImageOptions } from '../options.ts';
import { withSource } from '../source.ts';
import { describeProvenance, type Provenance } from './statement.ts';

export type { Provenance, ResourceDescriptor } from './statement.ts';

/**
 * What the cache has of an image, as an in-toto statement with SLSA provenance: from the manifest's digest over config and layers to
 * each artifact's digest and the root hash that a kernel checks it by. It follows from the artifacts alone, and is the same, to the
 * byte, wherever they are. An artifact that an earlier version stored is read for it, once.
 *
 * ShaleError `not-found` if the cache has nothing that was made of the image.
 */
export async function provenance(source: string, options: ImageOptions = {}): Promise<Provenance> {
  if (options.cache === false) {
    throw new ShaleError('invalid', 'provenance is of artifacts in the cache: without one there are none', {
      hint: 'leave --no-cache out',
    });
  }
  return await withSource(source, options, async ({ image, pulled, signal }) => {
    await using stack = new AsyncDisposableStack();
    const store = pulled?.store ?? stack.use(await openStore({ root: options.root, signal }));
    const found = findArtifacts(store, image);
    if (found.length === 0) {
      throw new ShaleError('not-found', `the cache has no artifact of ${source}`, {
        detail: { reference: image.reference, manifest: image.manifestDigest, root: store.root },
        hint: `make one first: shale pull NAME, or shale render ${source} DIR --layers or --merged`,
      });
    }
    const artifacts: StoredArtifact[] = [];
    for (const artifact of found) artifacts.push(await store.measureArtifact(artifact, { signal }));
    return describeProvenance(image, artifacts);
  });
}

/** All that was made of the image, or of one of its layers. */
function findArtifacts(
  store: Store,
  { manifestDigest, configDigest, layers }: Image,
): readonly StoredArtifact[] {
  const subject = manifestDigest ?? configDigest;
  const diffIds = new Set<string>(layers.map(({ diffId }) => diffId));
  return store
    .artifacts()
    .filter(made => (made.diffId === undefined ? made.manifest === subject : diffIds.has(made.diffId)))
    .filter(isWhole);
}
