import type { StoredArtifact, StoredImage } from '../../store/index.ts';
import { openCache, type UpkeepOptions } from './options.ts';

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
  readonly artifacts: readonly { readonly format: string; readonly bytes: number; readonly path: string }[];
  readonly pulled: string;
  readonly used: string;
}

/** What is in the cache, by name, then platform. */
export async function listImages(options: UpkeepOptions = {}): Promise<readonly CachedImage[]> {
  using store = await openCache(options);
  const artifacts = store.artifacts();
  return store
    .images()
    .map(image => describe(image, artifacts))
    .sort((a, b) => compare(a.reference, b.reference) || compare(a.platform, b.platform));
}

/** The image under another name, without asking any registry: all of its platforms. `not-found` if it is not there. */
export async function tagImage(
  source: string,
  name: string,
  options: UpkeepOptions & { readonly platform?: string | undefined } = {},
): Promise<readonly CachedImage[]> {
  using store = await openCache(options);
  const made = store.tagImages(store.selectImages(source, options), name);
  const artifacts = store.artifacts();
  return made.map(image => describe(image, artifacts));
}

/** One name that was removed. */
export interface RemoveResult {
  readonly reference: string;
  readonly platform: string;
  readonly manifestDigest: string;
}

/**
 * Removes images from the cache, and what only they needed: by name, or by at least four digits from the start of a digest, which
 * stand for all names of that image. One that is not there is `not-found`, before anything is removed.
 */
export async function removeImages(
  references: readonly string[],
  options: UpkeepOptions & { readonly platform?: string | undefined } = {},
): Promise<{ readonly images: readonly RemoveResult[]; readonly freedBytes: number }> {
  using store = await openCache(options);
  const chosen = references.flatMap(reference => store.selectImages(reference, options));
  const { images, freedBytes } = store.removeImages(chosen);
  return {
    images: images.map(({ reference, platform, manifest }) => ({
      reference,
      platform,
      manifestDigest: manifest,
    })),
    freedBytes,
  };
}

function describe(image: StoredImage, artifacts: readonly StoredArtifact[]): CachedImage {
  const { reference, platform, target, manifest, config, size, pulled, used } = image;
  return {
    reference,
    platform,
    digest: target,
    manifestDigest: manifest,
    configDigest: config,
    size,
    artifacts: artifacts
      .filter(artifact => artifact.manifest === manifest)
      .map(({ format, size, path }) => ({ format, bytes: size, path })),
    pulled: pulled.toISOString(),
    used: used.toISOString(),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
