import { type Image, openImage } from '../archive/index.ts';
import { type Warning, type WarningCode, Warnings } from '../error/index.ts';
import { hostPlatform } from '../host/index.ts';
import { createLimits, type LayerLimits } from '../layer/index.ts';
import { type Digest, normalizePlatform, parsePlatform } from '../oci/index.ts';
import type { LayerProgress } from '../render/index.ts';
import type { Timestamp } from '../tree/index.ts';

/** What is told while layers are read. Positions count from the oldest layer, 0; sizes are bytes of the blob as stored. */
export type ProgressEvent =
  | { readonly type: 'image'; readonly layers: readonly { readonly name: string; readonly size: number }[] }
  | { readonly type: 'layer'; readonly layer: number; readonly read: number; readonly size: number }
  | { readonly type: 'finish' };

/** Options of every operation on an image. */
export interface ImageOptions {
  /** `os/arch[/variant]`; the host's if absent. */
  readonly platform?: string | undefined;
  /** Threads that compress, and at most as many that read layers. */
  readonly jobs?: number | undefined;
  /** Bytes that the process should stay under, indexes not counted. */
  readonly memory?: number | undefined;
  readonly limits?: Partial<LayerLimits> | undefined;
  /** Turns every warning into an error. */
  readonly strict?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What an operation accepted with a warning. */
export interface WarningSummary {
  readonly counts: Readonly<Partial<Record<WarningCode, number>>>;
  /** The first of each code. */
  readonly examples: readonly Warning[];
}

export function summarise(warnings: Warnings): WarningSummary {
  return { counts: Object.fromEntries(warnings.counts), examples: warnings.examples };
}

/** An opened image and what all of its uses need. */
export interface OpenedImage {
  readonly image: Image;
  readonly warnings: Warnings;
  readonly limits: LayerLimits;
  readonly created: Timestamp;
  readonly onProgress: LayerProgress;
}

export async function openSource(source: string, options: ImageOptions): Promise<OpenedImage> {
  // Images are of Linux, also where Shale runs on something else.
  const host = normalizePlatform({ ...hostPlatform(), os: 'linux' });
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const { signal } = options;
  const image = await openImage(source, { host, platform, signal });
  const warnings = new Warnings({ strict: options.strict ?? false });
  const limits = createLimits(options.limits);
  const { layers, config } = image;
  const onProgress: LayerProgress = (layer, read) =>
    options.onProgress?.({ type: 'layer', layer, read, size: layers[layer]!.size });
  options.onProgress?.({
    type: 'image',
    layers: layers.map(layer => ({ name: nameOf(layer), size: layer.size })),
  });
  return { image, warnings, limits, created: config.created ?? { seconds: 0, nanoseconds: 0 }, onProgress };
}

function nameOf({ digest, diffId }: { digest: Digest | undefined; diffId: Digest }): string {
  return digest ?? diffId;
}
