import { createDecompressor } from '../bytes/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Bytes } from './contract.ts';
import { ContentError } from './error.ts';
import { DigestVerifier } from './verifier.ts';

/** Large enough that a call of the codec is worth it, in bytes. */
const chunkBytes = 1024 * 1024;

export interface DecompressOptions {
  /** The digest of what comes out. */
  readonly diffId?: Digest | undefined;
  /** Bytes that may come out for each that goes in, counted once `floor` came out. */
  readonly ratio?: { readonly most: number; readonly floor: number } | undefined;
  /** What is read, for errors. */
  readonly what: string;
}

/**
 * Content as it is uncompressed, whatever it was compressed with. A chunk is valid until the next one is asked for. The end is reached only after the source's end
 * was, and after the diffID was compared; what is wrong is a CodecError or ContentError `corrupt`, too much `exhausted`.
 */
export async function* decompressed(source: Bytes, { diffId, ratio, what }: DecompressOptions): Bytes {
  const verifier =
    diffId === undefined ? undefined : new DigestVerifier({ digest: diffId }, `${what}, uncompressed,`);
  const decompressor = createDecompressor();
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  let [taken, given] = [0, 0];
  try {
    for await (const chunk of source) {
      taken += chunk.length;
      decompressor.push(chunk);
      for (let length = decompressor.read(buffer); length > 0; length = decompressor.read(buffer)) {
        given += length;
        if (ratio !== undefined && given > ratio.floor && given > taken * ratio.most)
          throw tooDense(what, ratio.most);
        const piece = buffer.subarray(0, length);
        verifier?.update(piece);
        yield piece;
      }
    }
    decompressor.finish();
    verifier?.finish();
  } finally {
    decompressor.close();
  }
}

function tooDense(what: string, most: number): ContentError {
  return new ContentError('exhausted', `${what} unpacks to more than ${most} times its size`, {
    detail: { limit: most },
    hint: 'raise the limit with --max-ratio if you trust the image',
  });
}
