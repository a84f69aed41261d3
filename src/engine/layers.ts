import { type Content, merge } from '../merge/index.ts';
import type { ReadLayer } from '../render/index.ts';
import { readLayers } from '../render/read-layers.ts';
import type { Tree } from '../tree/index.ts';
import { findIndexes, storeIndexes } from './layer-index.ts';
import type { ImageOptions } from './options.ts';
import type { OpenedImage } from './source.ts';

/** An image whose layers were all read and verified, now or when the cache indexed them, without their data. */
export interface IndexedImage extends OpenedImage {
  /** Oldest first. */
  readonly layers: readonly ReadLayer[];
}

/** Reads the layers of an opened image; those of which the cache has an index are not read again. */
export async function indexImage(
  opened: OpenedImage,
  options: Pick<ImageOptions, 'jobs' | 'memory'> & { readonly digests?: boolean },
): Promise<IndexedImage> {
  const { image, limits, warnings, onProgress, signal, pulled } = opened;
  const { jobs, memory, digests = false } = options;
  const known = digests || pulled === undefined ? [] : findIndexes(pulled.store, image.layers, limits);
  const read = await readLayers(image.layers, {
    ...{ jobs, memory, signal, limits, warnings, digests, known, onProgress },
  });
  if (pulled !== undefined) await storeIndexes(pulled.store, image.layers, read, limits);
  return { ...opened, layers: read };
}

/** The merged tree; its warnings join those of reading. */
export function mergeImage({ layers, created, warnings, limits }: IndexedImage): Tree<Content> {
  return merge(layers, { created, warnings, limits });
}
