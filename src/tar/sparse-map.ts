import { TarError } from './error.ts';
import { blockSize } from './layout.ts';
import type { SparseMapBuilder } from './sparse.ts';

/**
 * The map of version 1.0, which stands at the head of the file's data: lines of one decimal number each, their count
 * of segments first, then offset and length of each; padded to a block. It is fed block by block until it is done.
 */
export class SparseMapReader {
  readonly #builder: SparseMapBuilder;
  #number = 0;
  #digits = 0;
  #offset: number | undefined = undefined;
  #left: number | undefined = undefined;

  constructor(builder: SparseMapBuilder) {
    this.#builder = builder;
  }

  /** Takes one block at `base`; true when the map ended in it. */
  read(block: Uint8Array, base: number): boolean {
    for (let at = base, end = base + blockSize; at < end; at += 1) {
      const byte = block[at]!;
      if (byte === 0x0a) {
        if (this.#digits === 0) throw new TarError('corrupt', 'a sparse map with an empty line');
        if (this.#take(this.#number)) return true;
        this.#number = 0;
        this.#digits = 0;
        continue;
      }
      const digit = byte - 0x30;
      if (digit < 0 || digit > 9) throw new TarError('corrupt', 'a sparse map that is not decimal numbers');
      this.#number = this.#number * 10 + digit;
      this.#digits += 1;
      // Also keeps leading zeros from going on for ever.
      if (this.#number > Number.MAX_SAFE_INTEGER || this.#digits > 32) {
        throw new TarError('invalid', 'a sparse map with a number that is out of range');
      }
    }
    return false;
  }

  #take(value: number): boolean {
    if (this.#left === undefined) {
      this.#builder.expect(value);
      this.#left = value;
    } else if (this.#offset === undefined) {
      this.#offset = value;
    } else {
      this.#builder.add(this.#offset, value);
      this.#offset = undefined;
      this.#left -= 1;
    }
    return this.#left === 0;
  }
}
