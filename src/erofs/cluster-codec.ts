import { ZstdBlockDecompressor } from '../bytes/codec/block-zstd.ts';
import { corrupt } from '../bytes/codec/error.ts';
import { createInflater, type Inflater } from '../bytes/codec/inflater.ts';
import { Lz4BlockDecompressor } from '../bytes/codec/lz4.ts';
import { chunkSlack, LzmaDecoder } from '../bytes/codec/lzma.ts';
import { LzmaWindow } from '../bytes/codec/lzma-window.ts';
import { PortableZstdDecompressor } from '../bytes/codec/portable-zstd.ts';
import { hasZlibHandle } from '../bytes/codec/zlib-handle.ts';
import { ZstdDecompressor } from '../bytes/codec/zstd.ts';
import { algorithmNumber } from './layout.ts';

export interface ClusterCodec {
  /**
   * Decompresses an extent: fills `output`. With `isPartial` what the input holds beyond that is of no interest; some
   * algorithms never look. CodecError `corrupt` when the input does not give so much.
   */
  decode(input: Uint8Array, output: Uint8Array, isPartial: boolean): void;
  close(): void;
}

/** By the algorithm's number in the image; undefined when it is none that exists. */
export function createClusterCodec(algorithm: number): ClusterCodec | undefined {
  switch (algorithm) {
    case algorithmNumber.lz4:
      return new Lz4Codec();
    case algorithmNumber.lzma:
      return new MicroLzmaCodec();
    case algorithmNumber.deflate:
      return new DeflateCodec();
    case algorithmNumber.zstd:
      return new ZstdCodec();
    default:
      return undefined;
  }
}

class Lz4Codec implements ClusterCodec {
  readonly #whole = new Lz4BlockDecompressor();
  readonly #partial = new Lz4BlockDecompressor({ partial: true });

  decode(input: Uint8Array, output: Uint8Array, isPartial: boolean): void {
    const decompressor = isPartial ? this.#partial : this.#whole;
    checkLength('lz4', decompressor.decompress(input, output), output);
  }

  close(): void {}
}

class DeflateCodec implements ClusterCodec {
  readonly #inflater: Inflater = createInflater({ native: false });

  decode(input: Uint8Array, output: Uint8Array): void {
    this.#inflater.reset();
    this.#inflater.inflate(input, 0, input.length, output, 0, output.length);
    checkLength('deflate', this.#inflater.produced, output);
  }

  close(): void {
    this.#inflater.close();
  }
}

class ZstdCodec implements ClusterCodec {
  readonly #whole = new ZstdBlockDecompressor();

  decode(input: Uint8Array, output: Uint8Array, isPartial: boolean): void {
    const size = isPartial ? decodePart(input, output) : this.#whole.decompress(input, output);
    checkLength('zstd', size, output);
  }

  close(): void {
    this.#whole.close();
  }
}

/** A context that is left in the middle of a frame is of no more use. */
function decodePart(input: Uint8Array, output: Uint8Array): number {
  const decompressor = hasZlibHandle() ? new ZstdDecompressor() : new PortableZstdDecompressor();
  try {
    decompressor.push(input);
    let size = 0;
    while (size < output.length) {
      const produced = decompressor.read(output.subarray(size));
      if (produced === 0) break;
      size += produced;
    }
    return size;
  } finally {
    decompressor.close();
  }
}

/**
 * MicroLZMA: an LZMA stream without header or end mark, whose first byte, which is always 0, holds lc, lp and pb instead,
 * inverted so that it is never 0.
 */
class MicroLzmaCodec implements ClusterCodec {
  readonly #window = new LzmaWindow();
  readonly #decoder = new LzmaDecoder(this.#window);

  decode(input: Uint8Array, output: Uint8Array): void {
    const window = this.#window;
    const chunk = new Uint8Array(input.length + chunkSlack);
    chunk.set(input);
    chunk[0] = 0;
    // Never goes round: all of the output is in it at the end.
    window.open(Math.ceil(output.length / 16) * 16);
    this.#decoder.setProperties(255 - input[0]!);
    this.#decoder.reset();
    this.#decoder.begin(chunk, input.length);
    while (window.position < output.length) {
      const room = window.room(output.length - window.position);
      this.#decoder.decode(window.position + room);
    }
    output.set(window.buffer.subarray(0, output.length));
  }

  close(): void {}
}

function checkLength(what: string, size: number, output: Uint8Array): void {
  if (size < output.length) throw corrupt(`${what}: the block ends after ${size} of ${output.length} bytes`);
}
