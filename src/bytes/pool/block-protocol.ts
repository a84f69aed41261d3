import type { PortableError } from '../../error/index.ts';
import type { BlockAlgorithm } from '../codec/types.ts';

/** What a block thread is started with. */
export interface BlockThreadData {
  readonly memory: SharedArrayBuffer;
  /** undefined: blocks are only gathered and copied. */
  readonly algorithm: BlockAlgorithm | undefined;
  readonly level: number | undefined;
  /** The largest block, in bytes. */
  readonly blockBytes: number;
}

/** Compress these blocks into the slab that starts at `output`, one behind the other. */
export interface BlockRequest {
  readonly kind: 'blocks';
  readonly id: number;
  readonly output: number;
  /**
   * Per block: the number of its spans, then offset and length of each. A negative number of spans marks a block that is
   * stored even when it is all zeros.
   */
  readonly spans: readonly number[];
}

/** `lengths` per block: the stored length; negative when stored plain; 0 when it is all zeros and nothing was stored. */
export interface BlockReply {
  readonly id: number;
  readonly lengths?: readonly number[];
  readonly error?: PortableError;
}
