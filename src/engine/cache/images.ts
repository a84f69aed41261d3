import { type CachedImage, describe } from './list-images.ts';
import { openCache, type UpkeepOptions } from './options.ts';

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
