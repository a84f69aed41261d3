import type { BlobLocation } from '../content/index.ts';
import type { Digest } from '../oci/index.ts';

/** A layer to be rendered: where its blob lies, and what must come out of it. */
export interface LayerSource {
  /** Of the blob; undefined where the source names none. */
  readonly digest: Digest | undefined;
  readonly diffId: Digest;
  readonly blob: BlobLocation;
}
