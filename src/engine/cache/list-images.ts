import type { StoredArtifact, StoredImage } from '../../store/index.ts';
import { openStoreReader } from '../../store/reader.ts';
import type { UpkeepOptions } from './options.ts';

/** One image of the cache. Sizes are bytes, times ISO 8601. */
export interface CachedImage {
  readonly reference: string;
  readonly platform: string;
  /** What the name stood for when it was pulled: of an index, or of the manifest. */
  readonly digest: string;
  readonly manifestDigest: string;
  /** Of its config: what Docker calls the image's ID. */
  readonly configDigest: string;
  /** Of its blobs, each once. */
  readonly size: number;
  readonly artifacts: readonly CachedArtifact[];
  readonly pulled: string;
  readonly used: string;
}

/** What was made of an image, or, for all images that have it, of one of its layers. */
export interface CachedArtifact {
  readonly format: string;
  readonly bytes: number;
  readonly path: string;
  /** Of the layer. */
  readonly diffId?: string;
}

/** What is in the cache, by name, then platform. */
export async function listImages(options: UpkeepOptions = {}): Promise<readonly CachedImage[]> {
  using store = await openStoreReader({ root: options.root, signal: options.signal, upkeep: true });
  const artifacts = store.artifacts();
  return store
    .images()
    .map(image => describe(image, artifacts))
    .sort((a, b) => compare(a.reference, b.reference) || compare(a.platform, b.platform));
}

/** An image as the cache's commands tell of it. */
export function describe(image: StoredImage, artifacts: readonly StoredArtifact[]): CachedImage {
  const { reference, platform, target, manifest, config, size, pulled, used } = image;
  const layers = new Set<string>(image.layers.map(({ diffId }) => diffId));
  return {
    reference,
    platform,
    digest: target,
    manifestDigest: manifest,
    configDigest: config,
    size,
    artifacts: artifacts
      .filter(made => (made.diffId === undefined ? made.manifest === manifest : layers.has(made.diffId)))
      .map(({ format, size, path, diffId }) => ({
        ...{ format, bytes: size, path },
        ...(diffId !== undefined && { diffId }),
      })),
    pulled: pulled.toISOString(),
    used: used.toISOString(),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
