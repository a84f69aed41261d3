import type { Image } from '../archive/index.ts';
import { originalError, ShaleError, Warnings } from '../error/index.ts';
import { hostPlatform } from '../host/index.ts';
import { createLimits, type LayerLimits } from '../layer/index.ts';
import { normalizePlatform, type Platform, parsePlatform, parseSource } from '../oci/index.ts';
import type { PulledImage } from '../pull/index.ts';
import type { LayerProgress } from '../render/index.ts';
import type { Store } from '../store/index.ts';
import type { Timestamp } from '../tree/index.ts';
import type { ImageOptions } from './options.ts';

/** An opened image and what all of its uses need. */
export interface OpenedImage extends AsyncDisposable {
  readonly image: Image;
  readonly warnings: Warnings;
  readonly limits: LayerLimits;
  readonly created: Timestamp;
  readonly onProgress: LayerProgress;
  /** The caller's, or one that is aborted when a layer cannot be fetched as well. */
  readonly signal: AbortSignal | undefined;
  /** Of an image by its reference: the same image, and the cache that it is in. */
  readonly pulled?: { readonly image: PulledImage; readonly store: Store };
}

/** Opens an image of any source; whatever fetches it begins when its layers are located. */
export async function openSource(source: string, options: ImageOptions): Promise<OpenedImage> {
  const parsed = parseSource(source);
  const warnings = new Warnings({ strict: options.strict ?? false });
  const limits = createLimits(options.limits);
  const platforms = choosePlatforms(options);
  const { signal } = options;
  if (parsed.kind === 'registry' || parsed.kind === 'cache') {
    const { requireNotLocal } = await import('../archive/mistake.ts');
    await requireNotLocal(parsed);
    const { openNamed } = await import('./named.ts');
    const named = await openNamed(parsed, platforms, options);
    return { ...named, ...describe(named.image, options), warnings, limits };
  }
  const { openImage } = await import('../archive/index.ts');
  const image = await openImage(parsed, { ...platforms, signal });
  const dispose = { [Symbol.asyncDispose]: () => image[Symbol.asyncDispose]() };
  return { image, signal, ...describe(image, options), warnings, limits, ...dispose };
}

/** Opens an image, uses it and closes it; what `openAndUse` says of damage holds. */
export async function withSource<T>(
  source: string,
  options: ImageOptions,
  use: (opened: OpenedImage) => Promise<T>,
): Promise<T> {
  const [opened, result] = await openAndUse(source, options, use);
  await opened[Symbol.asyncDispose]();
  return result;
}

/**
 * Opens an image and uses it; it stays open. Where its content turns out to be damaged, that is dropped; and if it was
 * in the cache, or left by an earlier process, all is tried once more with what the registry has.
 */
export async function openAndUse<T>(
  source: string,
  options: ImageOptions,
  use: (opened: OpenedImage) => Promise<T>,
): Promise<readonly [OpenedImage, T]> {
  try {
    for (let attempt = 1; ; attempt += 1) {
      await using stack = new AsyncDisposableStack();
      const opened = stack.use(await openSource(source, options));
      try {
        const result = await use(opened);
        stack.move();
        return [opened, result];
      } catch (error) {
        if (!(error instanceof ShaleError) || error.code !== 'corrupt') throw error;
        const mayHelp = (await opened.pulled?.image.discard(blobOf(error))) === true;
        if (!mayHelp || attempt === 2) throw error;
      }
    }
  } catch (error) {
    throw originalError(error);
  }
}

/** The blob whose content was wrong, where the error says so. */
function blobOf({ detail: { digest, expected } }: ShaleError): unknown {
  return digest ?? (expected as { readonly digest?: unknown } | undefined)?.digest;
}

function choosePlatforms({ platform }: ImageOptions): { host: Platform; platform: Platform | undefined } {
  // Images are of Linux, also where Shale runs on something else.
  const host = normalizePlatform({ ...hostPlatform(), os: 'linux' });
  return { host, platform: platform === undefined ? undefined : parsePlatform(platform) };
}

/** What is told of an image, and tells it that it was opened. */
function describe({ layers, config }: Image, options: ImageOptions) {
  const onProgress: LayerProgress = (layer, read) =>
    options.onProgress?.({ type: 'layer', layer, read, size: layers[layer]!.size });
  options.onProgress?.({
    type: 'image',
    layers: layers.map(layer => ({
      name: layer.digest ?? layer.diffId,
      size: layer.size,
      ...('cached' in layer && { cached: layer.cached === true }),
    })),
  });
  return { created: config.created ?? { seconds: 0, nanoseconds: 0 }, onProgress };
}
