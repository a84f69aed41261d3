import type { BlockDecompressor } from '../bytes/codec/types.ts';
import type { ImageSource } from '../bytes/image-source.ts';
import type { FileData } from './data.ts';
import { blockStored, type fragmentEntry } from './layout.ts';
import { corrupt, type LookupTable, undecodable } from './metadata-reader.ts';

/** Fragment blocks that are kept decoded: files that share one are mostly read one after the other. */
const cachedFragments = 8;

type FragmentTable = LookupTable<ReturnType<typeof fragmentEntry.read>>;

/** Reads file data, block by block. */
export class DataReader {
  readonly #source: ImageSource;
  readonly #decompressor: BlockDecompressor;
  readonly #blockSize: number;
  readonly #end: number;
  readonly #fragments: FragmentTable | undefined;
  readonly #cache = new Map<number, Uint8Array>();

  /** Data lies before `end`. */
  constructor(
    source: ImageSource,
    decompressor: BlockDecompressor,
    blockSize: number,
    end: number,
    fragments: FragmentTable | undefined,
  ) {
    this.#source = source;
    this.#decompressor = decompressor;
    this.#blockSize = blockSize;
    this.#end = end;
    this.#fragments = fragments;
  }

  /** Yields `size` bytes, at most a block at a time, each in memory of its own. */
  *read(size: number, { start, blocks, fragment }: FileData): Generator<Uint8Array, void, undefined> {
    let position = start;
    let left = size;
    for (const word of blocks) {
      const expected = Math.min(left, this.#blockSize);
      const stored = word % blockStored;
      const block = word === 0 ? new Uint8Array(expected) : this.#block(position, word, expected);
      if (block.length < expected) {
        // Only the last block must be whole; the format fills the others up with zeros.
        if (left === expected)
          throw corrupt('data', position, `a last block of ${block.length}, not ${expected} bytes`);
        const whole = new Uint8Array(expected);
        whole.set(block);
        yield whole;
      } else yield block;
      position += stored;
      left -= expected;
    }
    if (left === 0) return;
    if (fragment === undefined || left > this.#blockSize) {
      throw corrupt('data', position, `a file whose blocks leave out ${left} bytes`);
    }
    const block = this.#fragment(fragment.index);
    if (fragment.offset + left > block.length) {
      throw corrupt('data', position, `a tail that ends behind its fragment block of ${block.length} bytes`);
    }
    yield block.slice(fragment.offset, fragment.offset + left);
  }

  #fragment(index: number): Uint8Array {
    let block = this.#cache.get(index);
    if (block === undefined) {
      if (this.#fragments === undefined)
        throw corrupt('fragment', 0, `fragment ${index}, but there are none`);
      const { start, size } = this.#fragments.entry(index);
      block = this.#block(start, size, this.#blockSize);
    }
    this.#cache.delete(index);
    this.#cache.set(index, block);
    if (this.#cache.size > cachedFragments) this.#cache.delete(this.#cache.keys().next().value!);
    return block;
  }

  /** Decodes a block of at most `most` bytes. */
  #block(position: number, word: number, most: number): Uint8Array {
    const size = word % blockStored;
    const isStored = word >= blockStored;
    if (word >= 2 * blockStored || size === 0 || size > this.#blockSize || position + size > this.#end) {
      throw corrupt('data', position, `a block of ${size} bytes (word 0x${word.toString(16)})`);
    }
    if (isStored && size > most) throw corrupt('data', position, `a block of ${size}, not ${most} bytes`);
    const stored = new Uint8Array(size);
    this.#source.readAt(position, stored);
    if (isStored) return stored;
    const block = new Uint8Array(most);
    try {
      return block.subarray(0, this.#decompressor.decompress(stored, block));
    } catch (error) {
      throw undecodable('data', position, error);
    }
  }
}
