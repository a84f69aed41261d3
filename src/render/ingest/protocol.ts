import type { BlobLocation } from '../../content/index.ts';
import type { PortableError, WarningReport } from '../../error/index.ts';
import type { LayerLimits } from '../../layer/index.ts';
import type { Digest } from '../../oci/index.ts';
import type { ExtractionTarget } from './extraction.ts';
import type { TeeTarget } from './tee.ts';

/** What an ingest thread is started with. */
export interface IngestThreadData {
  readonly memory: SharedArrayBuffer;
}

/** Read this layer, once, from its first byte to its last. */
export interface IngestRequest {
  readonly kind: 'layer';
  /** Position of the layer, counted from the oldest. */
  readonly layer: number;
  readonly blob: BlobLocation;
  /** Of the blob as stored; undefined where the source names none (docker-archive). */
  readonly digest: Digest | undefined;
  readonly diffId: Digest;
  readonly limits: LayerLimits;
  readonly strict: boolean;
  /** false: file content is read and verified, but not handed on. */
  readonly data: boolean;
  /** true: the sha256 of every file's content is reported. */
  readonly digests: boolean;
  /** Where file content is put by the thread itself, if it is; with `data` false. */
  readonly extract?: ExtractionTarget | undefined;
  /** Where the thread puts the uncompressed layer, if it does. */
  readonly tee?: TeeTarget | undefined;
  /** The line to a thread that computes the diffID, if one does; with `data` false. */
  readonly hashLine?: SharedArrayBuffer | undefined;
}

/** What a hash thread is started with: `line` is its HashLine to an ingest thread. */
export interface HashThreadData extends IngestThreadData {
  readonly line: SharedArrayBuffer;
}

/** A layer begins that is to be hashed so. */
export interface HashStart {
  readonly kind: 'start';
  readonly algorithm: string;
}

/** A slab that the thread may fill. */
export interface SlabGrant {
  readonly kind: 'slab';
  readonly slab: number;
}

export type IngestCommand = IngestRequest | SlabGrant;

/** Events of a batch, each an opcode with its operands; offsets are positions in the slab memory, lengths in bytes. */
export const ingestEvent = {
  /** position of a file in the layer's index: its content follows. */
  file: 0,
  /** offset, length */
  data: 1,
  /** length */
  hole: 2,
} as const;

/** What was found in one slab's worth of the layer, in stream order. */
export interface IngestBatch {
  readonly kind: 'batch';
  /** The slab that the events point into, now the receiver's; undefined when there are none. */
  readonly slab: number | undefined;
  /** Records as encodeEntries writes them. */
  readonly entries: Uint8Array;
  readonly entryCount: number;
  readonly events: Float64Array;
  /** The sha256 of files completed in this batch, 32 bytes each, in order of their positions in the index. */
  readonly digests: Uint8Array;
  /** Bytes of the blob read, and of the layer uncompressed, since the last batch. */
  readonly read: number;
  readonly produced: number;
  /** Up to where the file that the layer is kept in is written, in bytes; 0 if it is not kept. */
  readonly kept: number;
}

/** The layer was read to its end, and its digest, size and diffID are right. */
export interface IngestEnd {
  readonly kind: 'end';
  readonly warnings: WarningReport;
  readonly compression: string;
  /** Bytes, uncompressed. */
  readonly size: number;
  /** Of the file that the layer's tar is in, if it was put into one. */
  readonly teeDigest?: Digest | undefined;
}

export interface IngestFailure {
  readonly kind: 'failure';
  readonly error: PortableError;
}

export type IngestReply = IngestBatch | IngestEnd | IngestFailure;
