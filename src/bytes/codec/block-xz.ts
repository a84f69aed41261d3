import { LzmaEncoder } from '../native/lzma.ts';
import { CodecError, corrupt } from './error.ts';
import type { BlockCompressor, BlockDecompressor } from './types.ts';
import { XzDecompressor } from './xz.ts';

/** liblzma takes no smaller dictionary. */
const smallestDictionary = 4096;

/**
 * The dictionary for a block: the smallest power of two that holds it. The kernel's squashfs decoder has a dictionary
 * of one block, and refuses streams that ask for more.
 */
function dictionaryFor(size: number): number {
  let dictionary = smallestDictionary;
  while (dictionary < size) dictionary *= 2;
  return dictionary;
}

/** An xz stream of one LZMA2 block with a CRC-32 a block, the only check that the kernel's decoder is sure to have. */
export class XzBlockCompressor implements BlockCompressor {
  readonly #encoder: LzmaEncoder;
  #scratch = new Uint8Array(0);

  constructor(level: number) {
    this.#encoder = new LzmaEncoder(level);
  }

  compress(input: Uint8Array, output: Uint8Array): number {
    const room = input.length - 1;
    if (room < 1) return 0;
    const direct = output.length >= room;
    if (!direct && this.#scratch.length < room) this.#scratch = new Uint8Array(room);
    const target = (direct ? output : this.#scratch).subarray(0, room);
    const size = this.#encoder.encode(input, target, dictionaryFor(input.length));
    if (size < 0) throw new CodecError('internal', `xz: liblzma fails with ${-size}`);
    if (direct) return size;
    if (size > output.length) return 0;
    output.set(target.subarray(0, size));
    return size;
  }

  close(): void {}
}

export class XzBlockDecompressor implements BlockDecompressor {
  readonly #spare = new Uint8Array(1);

  decompress(input: Uint8Array, output: Uint8Array): number {
    const decompressor = new XzDecompressor();
    decompressor.push(input);
    let size = 0;
    for (;;) {
      const full = size === output.length;
      const produced = decompressor.read(full ? this.#spare : output.subarray(size));
      if (produced === 0) break;
      if (full) throw corrupt(`xz: the block is longer than ${output.length} bytes`);
      size += produced;
    }
    decompressor.finish();
    return size;
  }

  close(): void {}
}
