import { createDecompressor } from '../bytes/codec/decompressor.ts';
import type { Digest } from '../oci/index.ts';
import { ContentError } from './error.ts';
import { DigestVerifier } from './verifier.ts';

export interface DecompressOptions {
  /** The digest of what comes out. */
  readonly diffId?: Digest | undefined;
  /** Bytes that may come out for each that goes in, counted once `floor` came out. */
  readonly ratio?: { readonly most: number; readonly floor: number } | undefined;
  /** What is read, for errors. */
  readonly what: string;
}

/**
 * Content as it is uncompressed, whatever it was compressed with: all that was pushed is read before more is pushed, and
 * `finish` says whether it was right. What is wrong is a CodecError or ContentError `corrupt`, too much `exhausted`.
 */
export class Decompression implements Disposable {
  readonly #decompressor = createDecompressor();
  readonly #options: DecompressOptions;
  readonly #verifier: DigestVerifier | undefined;
  #taken = 0;
  #given = 0;

  constructor(options: DecompressOptions) {
    const { diffId, what } = options;
    this.#options = options;
    this.#verifier =
      diffId === undefined ? undefined : new DigestVerifier({ digest: diffId }, `${what}, uncompressed,`);
  }

  push(chunk: Uint8Array): void {
    this.#taken += chunk.length;
    this.#decompressor.push(chunk);
  }

  /** How many bytes were put into `output`; 0 once more has to be pushed. */
  read(output: Uint8Array): number {
    const length = this.#decompressor.read(output);
    if (length === 0) return 0;
    this.#given += length;
    const { ratio, what } = this.#options;
    if (ratio !== undefined && this.#given > ratio.floor && this.#given > this.#taken * ratio.most)
      throw tooDense(what, ratio.most);
    this.#verifier?.update(output.subarray(0, length));
    return length;
  }

  finish(): void {
    this.#decompressor.finish();
    this.#verifier?.finish();
  }

  [Symbol.dispose](): void {
    this.#decompressor.close();
  }
}

function tooDense(what: string, most: number): ContentError {
  return new ContentError('exhausted', `${what} unpacks to more than ${most} times its size`, {
    detail: { limit: most },
    hint: 'raise the limit with --max-ratio if you trust the image',
  });
}
