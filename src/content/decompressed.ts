import type { Bytes } from './contract.ts';
import { Decompression, type DecompressOptions } from './decompression.ts';

/** Large enough that a call of the codec is worth it, in bytes. */
const chunkBytes = 1024 * 1024;

/**
 * Content as it is uncompressed (`Decompression`). A chunk is valid until the next one is asked for. The end is reached only after the source's end
 * was, and after the diffID was compared.
 */
export async function* decompressed(source: Bytes, options: DecompressOptions): Bytes {
  using decompression = new Decompression(options);
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  for await (const chunk of source) {
    decompression.push(chunk);
    for (let length = decompression.read(buffer); length > 0; length = decompression.read(buffer))
      yield buffer.subarray(0, length);
  }
  decompression.finish();
}
