import type { PortableError } from '../../error/index.ts';
import type { Digest } from '../../oci/index.ts';
import type { DecompressOptions } from '../decompression.ts';
import type { BlobLocation } from '../location.ts';

/** Bytes of one piece at the most, and pieces that are ready and not yet taken: what a thread holds in memory. */
export const pieceBytes = 1024 * 1024;
export const mostPieces = 16;

/** What the thread is started with. */
export interface UnpackThreadData {
  /** Places for pieces, used one after the other, from the first again. */
  readonly memory: SharedArrayBuffer;
  /** How many pieces were taken and are no longer needed, counted over all blobs. */
  readonly released: Int32Array;
}

/** A blob that is to be read once, from its first byte to its last. */
export interface BlobRequest extends DecompressOptions {
  readonly kind: 'blob';
  readonly blob: BlobLocation;
  /** Of the blob as it is stored. */
  readonly digest: Digest | undefined;
}

/** The next piece is in the next place. */
export interface FilledPiece {
  readonly kind: 'piece';
  readonly length: number;
  /** Bytes of the blob that were read so far. */
  readonly read: number;
}

/** The blob was read to its end, and digest, size and diffID are right. */
export interface BlobEnd {
  readonly kind: 'end';
  readonly read: number;
}

export interface BlobFailure {
  readonly kind: 'failure';
  readonly error: PortableError;
}

export type UnpackReply = FilledPiece | BlobEnd | BlobFailure;
