import { ShaleError } from '../error/index.ts';
import { listArtifacts } from './artifact.ts';
import type { Catalogue } from './catalogue.ts';
import { collect } from './gc.ts';
import { blobsOf, type ImageName, type StoredImage } from './image.ts';
import { listVerity } from './verity.ts';

/** What a removal did. */
export interface Removal {
  /** The names that were there and are gone. */
  readonly images: readonly StoredImage[];
  /** Bytes of blobs, layer indexes, artifacts and what was made of these that nothing else needed. */
  readonly freedBytes: number;
}

/** Removes images, and at once what only they needed. Names that are not there any more are passed over. */
export function removeImages(catalogue: Catalogue, names: readonly ImageName[]): Removal {
  const images = catalogue.changeUnpublished(table => {
    const all = table.all();
    const gone = names.flatMap(({ reference, platform }) =>
      all.filter(image => image.reference === reference && image.platform === platform),
    );
    return [...new Set(gone)].filter(image => table.remove(image));
  });
  let unpublished: unknown;
  try {
    catalogue.publish(); // before the files go, so that index.json never names what is not there
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code !== 'exhausted') throw error;
    unpublished = error;
  }
  const { freedBytes } = collect(catalogue, {}, belongsTo(catalogue, images));
  if (unpublished !== undefined) catalogue.publish();
  return { images, freedBytes };
}

function belongsTo(catalogue: Catalogue, images: readonly StoredImage[]) {
  const blobs = new Set<string>(
    images.flatMap(image => [...blobsOf(image).map(blob => blob.digest), image.target]),
  );
  const layers = new Set<string>(images.flatMap(image => image.layers.map(layer => layer.diffId)));
  const manifests = new Set<string>(images.map(image => image.manifest));
  const made = listArtifacts(catalogue).filter(({ manifest, diffId }) =>
    manifest === undefined ? layers.has(diffId) : manifests.has(manifest),
  );
  const keys = new Set(made.map(({ key }) => key));
  const trees = listVerity(catalogue).filter(({ key }) => keys.has(key));
  const files = new Set([...made, ...trees].map(({ path }) => path.slice(catalogue.layout.root.length + 1)));
  return ({ kind, name }: { kind: string; name: string }): boolean =>
    (kind === 'blob' && blobs.has(name)) ||
    (kind === 'index' && layers.has(name)) ||
    ((kind === 'artifact' || kind === 'verity') && files.has(name)) ||
    (kind === 'warm' && keys.has(name.split('/')[1] ?? ''));
}
