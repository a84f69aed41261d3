import { createDecompressor } from '../bytes/codec/decompressor.ts';
import { isLz4Legacy, readLz4Legacy } from '../bytes/codec/lz4-legacy.ts';
import { KernelError } from './error.ts';

const outputBytes = 256 * 1024;

/** What a stream holds, whatever it is compressed with; a chunk is valid until the next one is asked for. */
export async function* decompressStream(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decompressor = createDecompressor();
  try {
    const output = new Uint8Array(outputBytes);
    for await (const chunk of source) {
      decompressor.push(chunk);
      for (let size = decompressor.read(output); size > 0; size = decompressor.read(output)) {
        yield output.subarray(0, size);
      }
    }
    decompressor.finish();
  } finally {
    decompressor.close();
  }
}

/** The same for bytes in memory, which may be a legacy frame of lz4, too. */
export function* decompressBytes(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  if (isLz4Legacy(bytes)) {
    yield* readLz4Legacy(bytes);
    return;
  }
  const decompressor = createDecompressor();
  try {
    const output = new Uint8Array(outputBytes);
    decompressor.push(bytes);
    for (let size = decompressor.read(output); size > 0; size = decompressor.read(output)) {
      yield output.subarray(0, size);
    }
    decompressor.finish();
  } finally {
    decompressor.close();
  }
}

/** All of it at once; KernelError `exhausted` beyond `most` bytes. */
export function decompressAll(bytes: Uint8Array, most: number, what: string): Buffer {
  const pieces: Buffer[] = [];
  let size = 0;
  for (const piece of decompressBytes(bytes)) {
    size += piece.length;
    if (size > most) throw tooLarge(what, most);
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

/** Collects a stream; KernelError `exhausted` beyond `most` bytes. */
export async function collect(
  source: AsyncIterable<Uint8Array>,
  most: number,
  what: string,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of source) {
    size += piece.length;
    if (size > most) throw tooLarge(what, most);
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

function tooLarge(what: string, most: number): KernelError {
  return new KernelError('exhausted', `${what} has more than ${most} bytes`, { detail: { limit: most } });
}
