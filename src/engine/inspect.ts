import type { Image, ImageLayer } from '../archive/index.ts';
import { countHiddenBytes } from '../merge/index.ts';
import { formatPlatform } from '../oci/index.ts';
import { indexImage, mergeImage } from './layers.ts';
import { type ImageOptions, summarise, type WarningSummary } from './options.ts';
import { type OpenedImage, withSource } from './source.ts';

export interface LayerReport {
  /** Of the blob; undefined where the source names none. */
  readonly digest: string | undefined;
  readonly diffId: string;
  readonly mediaType: string;
  /** Of the blob, in bytes. */
  readonly size: number;
  /** The command that made the layer, as the image's history has it. */
  readonly createdBy: string | undefined;
  /** What only reading the layer tells. */
  readonly content?: LayerContent;
}

export interface LayerContent {
  readonly compression: string;
  /** Bytes, uncompressed. */
  readonly uncompressedSize: number;
  /** Records, whiteouts and opaque markers included. */
  readonly entries: number;
  readonly whiteouts: number;
  readonly opaques: number;
  /** Bytes of the layer's files. */
  readonly fileBytes: number;
  /** Bytes of those files that are in the result under no name, because later layers hide them. */
  readonly hiddenBytes: number;
}

export interface ImageReport {
  readonly reference: string;
  readonly platform: string;
  readonly manifestDigest: string | undefined;
  readonly configDigest: string;
  /** RFC 3339 with nanoseconds, or undefined if the image does not say. */
  readonly created: string | undefined;
  /** Env, Entrypoint, Cmd, WorkingDir, User, Labels and the like, as the image has them. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Oldest first. */
  readonly layers: readonly LayerReport[];
  /** Of all blobs, in bytes. */
  readonly size: number;
  /** Present when the layers were read. */
  readonly warnings?: WarningSummary;
}

/** What an image says of itself; with `layers` also what is in its layers, which are read and verified for it. */
export async function inspect(
  source: string,
  options: ImageOptions & { readonly layers?: boolean } = {},
): Promise<ImageReport> {
  return await withSource(source, options, async opened =>
    options.layers === true ? await inspectLayers(opened, options) : report(opened.image),
  );
}

async function inspectLayers(opened: OpenedImage, options: ImageOptions): Promise<ImageReport> {
  const indexed = await indexImage(opened, options);
  const statistics = countHiddenBytes(indexed.layers, mergeImage(indexed));
  const contents = indexed.layers.map(({ compression, size }, layer): LayerContent => {
    const { entries, whiteouts, opaques, bytes, hiddenBytes } = statistics[layer]!;
    return {
      compression,
      uncompressedSize: size,
      entries,
      whiteouts,
      opaques,
      fileBytes: bytes,
      hiddenBytes,
    };
  });
  return { ...report(indexed.image, contents), warnings: summarise(indexed.warnings) };
}

function report(image: Image, contents?: readonly LayerContent[]): ImageReport {
  const { config, layers } = image;
  const steps = config.history.filter(({ emptyLayer }) => !emptyLayer);
  const told = steps.length === layers.length;
  const describe = (layer: ImageLayer, index: number): LayerReport => ({
    digest: layer.digest,
    diffId: layer.diffId,
    mediaType: layer.mediaType,
    size: layer.size,
    createdBy: told ? steps[index]!.createdBy : undefined,
    ...(contents === undefined ? {} : { content: contents[index]! }),
  });
  return {
    reference: image.reference,
    platform: formatPlatform(image.platform),
    manifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    created: config.created === undefined ? undefined : formatTime(config.created),
    config: config.execution,
    layers: layers.map(describe),
    size: layers.reduce((sum, { size }) => sum + size, 0),
  };
}

function formatTime({ seconds, nanoseconds }: { seconds: number; nanoseconds: number }): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`;
  return `${whole}${fraction}Z`;
}
