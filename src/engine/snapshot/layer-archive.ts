import type { ImageLayer } from '../../archive/index.ts';
import { type Bytes, decompressed, readLocation, verified } from '../../content/index.ts';
import type { LayerLimits } from '../../layer/index.ts';

export interface LayerArchiveOptions {
  readonly limits: LayerLimits;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the blob that were read so far. */
  readonly onRead?: ((read: number) => void) | undefined;
}

/** A layer's archive, uncompressed; whoever has read its end has read what blob digest, size and diffID say. */
export async function* openLayerArchive(layer: ImageLayer, options: LayerArchiveOptions): Bytes {
  const { limits, signal, onRead } = options;
  const { digest, size, diffId } = layer;
  const what = `layer ${digest ?? diffId}`;
  const blob = readLocation(await layer.locate(), { signal });
  const ratio = { most: limits.ratio, floor: limits.ratioFloor };
  yield* decompressed(count(digest === undefined ? blob : verified(blob, { digest, size }, what), onRead), {
    ...{ diffId, ratio, what },
  });
}

async function* count(blob: Bytes, onRead: LayerArchiveOptions['onRead']): Bytes {
  let read = 0;
  for await (const chunk of blob) {
    yield chunk;
    read += chunk.length;
    onRead?.(read);
  }
}
