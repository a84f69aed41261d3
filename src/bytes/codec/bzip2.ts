import { BitInput } from './bzip2-bits.ts';
import { Bzip2Block } from './bzip2-block.ts';
import { corrupt } from './error.ts';
import { Input } from './input.ts';
import { nothing } from './padding.ts';
import type { Decompressor } from './types.ts';

const blockMagic = [0x314159, 0x265359] as const;
const endMagic = [0x177245, 0x385090] as const;

/** bzip2: any number of streams, one after the other, with the checksums of blocks and streams verified. */
export class Bzip2Decompressor implements Decompressor {
  readonly #input = new Input();
  readonly #bits = new BitInput(this.#input);
  readonly #run = this.#decode();
  #block: Bzip2Block | undefined;
  #output = nothing;
  #to = 0;
  /** Between streams, where the input may end. */
  #between = false;

  push(input: Uint8Array): void {
    this.#input.push(input);
  }

  read(output: Uint8Array): number {
    this.#output = output;
    this.#to = 0;
    this.#run.next();
    this.#output = nothing;
    return this.#to;
  }

  finish(): void {
    if (!this.#between) throw corrupt('bzip2: the stream is cut');
  }

  close(): void {
    this.#input.push(nothing);
  }

  *#decode(): Generator<void, void, void> {
    const trailing = 'bzip2: bytes after the end of the stream that are not zeros';
    for (let first = true; ; first = false) {
      const letter = yield* this.#bits.bits(8);
      if (letter === 0 && !first) break;
      this.#between = false;
      if (letter !== 0x42) throw corrupt(first ? 'bzip2: not a bzip2 stream' : trailing);
      const rest = yield* this.#bits.bits(16);
      const level = (yield* this.#bits.bits(8)) - 0x30;
      if (rest !== 0x5a68 || level < 1 || level > 9)
        throw corrupt(first ? 'bzip2: not a bzip2 stream' : trailing);
      yield* this.#stream(level * 100_000);
      this.#between = true;
    }
    for (;;) if ((yield* this.#bits.bits(8)) !== 0) throw corrupt(trailing);
  }

  /** One block's memory serves all streams, and a stream without blocks needs none: a few bytes must not cost megabytes. */
  #open(size: number): Bzip2Block {
    if (this.#block === undefined || this.#block.size !== size) this.#block = new Bzip2Block(size);
    return this.#block;
  }

  *#stream(blockSize: number): Generator<void, void, void> {
    const bits = this.#bits;
    let combined = 0;
    for (;;) {
      const magic = [yield* bits.bits(24), yield* bits.bits(24)];
      const crc = (yield* bits.bits(16)) * 0x10000 + (yield* bits.bits(16));
      if (magic[0] === endMagic[0] && magic[1] === endMagic[1]) {
        if (crc !== combined) throw corrupt('bzip2: the stream fails its checksum');
        bits.align();
        return;
      }
      if (magic[0] !== blockMagic[0] || magic[1] !== blockMagic[1])
        throw corrupt('bzip2: neither a block nor an end');
      const block = this.#open(blockSize);
      yield* block.read(bits);
      for (;;) {
        this.#to = block.give(this.#output, this.#to);
        if (this.#to < this.#output.length) break;
        yield;
      }
      if (block.crc !== crc) throw corrupt('bzip2: the data fails its checksum');
      combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
    }
  }
}
