import { type Content, merge } from '../merge/index.ts';
import type { ReadLayer } from '../render/index.ts';
import { readLayers } from '../render/read-layers.ts';
import type { Tree } from '../tree/index.ts';
import { type ImageOptions, type OpenedImage, openSource } from './options.ts';

/** An image whose layers were all read and verified, without their data. */
export interface IndexedImage extends OpenedImage {
  /** Oldest first. */
  readonly layers: readonly ReadLayer[];
}

export async function indexSource(
  source: string,
  options: ImageOptions & { readonly digests?: boolean },
): Promise<IndexedImage> {
  const opened = await openSource(source, options);
  const { image, limits, warnings, onProgress } = opened;
  const { jobs, memory, signal, digests = false } = options;
  const layers = await readLayers(image.layers, {
    jobs,
    memory,
    signal,
    limits,
    warnings,
    digests,
    onProgress,
  });
  return { ...opened, layers };
}

/** The merged tree; its warnings join those of reading. */
export function mergeImage({ layers, created, warnings, limits }: IndexedImage): Tree<Content> {
  return merge(layers, { created, warnings, limits });
}
