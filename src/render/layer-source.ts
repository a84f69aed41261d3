import type { BlobLocation } from '../content/index.ts';
import type { Digest } from '../oci/index.ts';

/** A layer to be read: where its blob is, and what must come out of it. */
export interface LayerSource {
  /** Of the blob; undefined where the source names none. */
  readonly digest: Digest | undefined;
  readonly diffId: Digest;
  /** Where the blob lies, or where it is arriving. Asked for each reading, in the order in which layers will be read. */
  locate(): Promise<BlobLocation>;
  /** Told after a reading in which digest, size and diffID were right. */
  verified?(): void;
}
