import type { Image } from '../archive/index.ts';
import type { Warnings } from '../error/index.ts';
import { findSourceDateEpoch } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Output, ReadLayer } from '../render/index.ts';
import type { Timestamp } from '../tree/index.ts';
import type { OutputHashes } from './integrity/index.ts';
import type { WarningSummary } from './options.ts';

export interface RenderResult {
  readonly outputs: readonly (Output & OutputHashes)[];
  readonly image: {
    readonly manifestDigest: Digest | undefined;
    readonly configDigest: Digest;
    readonly layers: number;
    /** Bytes of the blobs, and of the layers uncompressed. */
    readonly compressedBytes: number;
    readonly uncompressedBytes: number;
  };
  /** Inodes of the result. */
  readonly inodes: number;
  /** Whether the cache had all outputs already. */
  readonly reused: boolean;
  /** Layers that had to be read twice (ARCHITECTURE, "The data pass"). */
  readonly layersReadAgain: number;
  readonly warnings: WarningSummary;
}

export function describeImage(
  { manifestDigest, configDigest, layers }: Image,
  read: readonly ReadLayer[],
): RenderResult['image'] {
  return {
    ...{ manifestDigest, configDigest, layers: layers.length },
    compressedBytes: layers.reduce((sum, { size }) => sum + size, 0),
    uncompressedBytes: read.reduce((sum, { size }) => sum + size, 0),
  };
}

/** Of a superblock, in seconds: SOURCE_DATE_EPOCH, or when the image was made. It has 32 bits for it. */
export function modificationTime(created: Timestamp): number {
  const { seconds } = findSourceDateEpoch() ?? created;
  return Math.min(Math.max(seconds, 0), 0xffffffff);
}

export function warnIfClamped(created: Timestamp, warnings: Warnings): void {
  const { seconds } = findSourceDateEpoch() ?? created;
  if (seconds === modificationTime(created)) return;
  const message = `the image's time, ${seconds} seconds after 1970, is out of squashfs's range`;
  warnings.add({ code: 'time-clamped', message });
}
