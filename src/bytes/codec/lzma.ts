import { corrupt } from './error.ts';
import type { LzmaWindow } from './lzma-window.ts';

/** Where each set of probabilities begins in the one array that holds them all. */
const isMatch = 0;
const isRepeat = 192;
const isRepeat0 = isRepeat + 12;
const isRepeat1 = isRepeat0 + 12;
const isRepeat2 = isRepeat1 + 12;
const isLongRepeat0 = isRepeat2 + 12;
const distanceSlot = isLongRepeat0 + 192;
const distanceSpecial = distanceSlot + 4 * 64;
const distanceAlign = distanceSpecial + 128;
const matchLength = distanceAlign + 16;
const lengthLow = 2;
const lengthMiddle = lengthLow + 128;
const lengthHigh = lengthMiddle + 128;
const repeatLength = matchLength + lengthHigh + 256;
const literal = repeatLength + lengthHigh + 256;
const literalSize = 0x300;
const total = literal + literalSize * 16;

/** Probability one half, in 2048ths. */
const half = 1024;
const shortestMatch = 2;
const farthest = 0x7ffffffe;
/** No symbol needs more input than this; behind the chunk the buffer holds so many zeros. */
export const chunkSlack = 64;

/**
 * LZMA, as LZMA2 uses it: the range coder's input is a chunk that is there as a whole, output goes into the window up
 * to a limit, and a match may be left half copied. Words of the range coder are kept as signed 32-bit numbers, which
 * the engine does not have to box.
 */
export class LzmaDecoder {
  readonly #window: LzmaWindow;
  readonly #probabilities = new Uint16Array(total);
  #literalContext = 0;
  #literalPosition = 0;
  #positionMask = 0;
  #state = 0;
  /** The last four distances, less one. */
  readonly #repeats = new Int32Array(4);
  /** What is left of the current match. */
  #length = 0;
  #input = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #range = 0;
  #code = 0;

  constructor(window: LzmaWindow) {
    this.#window = window;
  }

  /** Takes the byte that packs lc, lp and pb. */
  setProperties(byte: number): void {
    if (byte > (4 * 5 + 4) * 9 + 8) throw corrupt('xz: impossible LZMA properties');
    this.#literalContext = byte % 9;
    const rest = (byte - this.#literalContext) / 9;
    this.#literalPosition = rest % 5;
    this.#positionMask = 2 ** ((rest - this.#literalPosition) / 5) - 1;
    if (this.#literalContext + this.#literalPosition > 4) throw corrupt('xz: impossible LZMA properties');
  }

  reset(): void {
    this.#probabilities.fill(half);
    this.#state = 0;
    this.#repeats.fill(0);
    this.#length = 0;
  }

  /** Starts on a chunk, `input[0, size)`, with `chunkSlack` zeros behind it. */
  begin(input: Uint8Array<ArrayBuffer>, size: number): void {
    if (size < 5 || input[0] !== 0) throw corrupt('xz: a chunk that cannot be LZMA');
    this.#input = input;
    this.#end = size;
    this.#at = 5;
    this.#range = -1;
    this.#code = (input[1]! << 24) | (input[2]! << 16) | (input[3]! << 8) | input[4]!;
    this.#length = 0;
  }

  /** The chunk must be used up to its last byte when its output is complete. */
  end(): void {
    this.#normalize();
    if (this.#length > 0 || this.#at !== this.#end || this.#code !== 0) {
      throw corrupt('xz: a chunk does not end where it should');
    }
  }

  /** Decodes until the window's position is `limit`, which must lie within its buffer. */
  decode(limit: number): void {
    const window = this.#window;
    const repeats = this.#repeats;
    const probabilities = this.#probabilities;
    if (this.#length > 0) this.#length -= window.repeat(repeats[0]! + 1, this.#length, limit);
    while (window.position < limit) {
      if (this.#at > this.#end) throw corrupt('xz: a chunk is longer than it says');
      const place = window.position & this.#positionMask;
      if (this.#bit(isMatch + this.#state * 16 + place) === 0) {
        this.#literal(probabilities);
        continue;
      }
      if (this.#bit(isRepeat + this.#state) === 0) {
        repeats.copyWithin(1, 0, 3);
        this.#length = this.#decodeLength(matchLength, place);
        repeats[0] = this.#distance(this.#length);
        this.#state = this.#state < 7 ? 7 : 10;
      } else if (this.#shortRepeat(place)) this.#length = 1;
      else {
        this.#length = this.#decodeLength(repeatLength, place);
        this.#state = this.#state < 7 ? 8 : 11;
      }
      this.#length -= window.repeat(repeats[0]! + 1, this.#length, limit);
    }
  }

  /** Moves the wanted one of the last four distances to the front; true when one byte from the last is all. */
  #shortRepeat(place: number): boolean {
    const repeats = this.#repeats;
    if (this.#bit(isRepeat0 + this.#state) === 0) {
      if (this.#bit(isLongRepeat0 + this.#state * 16 + place) === 1) return false;
      this.#state = this.#state < 7 ? 9 : 11;
      return true;
    }
    let which = 1;
    if (this.#bit(isRepeat1 + this.#state) === 1) which = this.#bit(isRepeat2 + this.#state) === 0 ? 2 : 3;
    const distance = repeats[which]!;
    repeats.copyWithin(1, 0, which);
    repeats[0] = distance;
    return false;
  }

  #literal(probabilities: Uint16Array): void {
    const window = this.#window;
    const input = this.#input;
    const low = window.position & ((1 << this.#literalPosition) - 1);
    const context = (low << this.#literalContext) + (window.last >> (8 - this.#literalContext));
    const base = literal + literalSize * context;
    const state = this.#state;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
    if (state < 7) {
      window.buffer[window.position] = this.#tree(base, 8);
      window.advance(1);
      return;
    }
    // After a match the byte that it would have gone on with steers the choice of probabilities, as far as it is right.
    const distance = this.#repeats[0]! + 1;
    if (distance > window.filled) throw corrupt('xz: a match before the start of the data');
    let from = window.position - distance;
    if (from < 0) from += window.buffer.length;
    let expected = window.buffer[from]! << 1;
    let offset = 0x100;
    let range = this.#range;
    let code = this.#code;
    let at = this.#at;
    let symbol = 1;
    while (symbol < 0x100) {
      const bit = expected & offset;
      expected <<= 1;
      const index = base + offset + bit + symbol;
      const probability = probabilities[index]!;
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | input[at++]!;
      }
      const bound = Math.imul(range >>> 11, probability);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        probabilities[index] = probability + ((2048 - probability) >> 5);
        symbol <<= 1;
        offset &= ~bit;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probabilities[index] = probability - (probability >> 5);
        symbol = (symbol << 1) | 1;
        offset &= bit;
      }
    }
    this.#range = range;
    this.#code = code;
    this.#at = at;
    window.buffer[window.position] = symbol;
    window.advance(1);
  }

  #decodeLength(base: number, place: number): number {
    if (this.#bit(base) === 0) return shortestMatch + this.#tree(base + lengthLow + place * 8, 3);
    if (this.#bit(base + 1) === 0) return shortestMatch + 8 + this.#tree(base + lengthMiddle + place * 8, 3);
    return shortestMatch + 16 + this.#tree(base + lengthHigh, 8);
  }

  #distance(length: number): number {
    const set = Math.min(length - shortestMatch, 3);
    const slot = this.#tree(distanceSlot + set * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 + (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + this.#reverseTree(distanceSpecial + base - slot - 1, bits);
    const distance = base + this.#direct(bits - 4) * 16 + this.#reverseTree(distanceAlign, 4);
    // Beyond any dictionary either way, and refused where it is used; the table of distances is signed.
    return Math.min(distance, farthest);
  }

  #normalize(): void {
    if (this.#range >>> 24 === 0) {
      this.#range <<= 8;
      this.#code = (this.#code << 8) | this.#input[this.#at++]!;
    }
  }

  #bit(index: number): number {
    const probabilities = this.#probabilities;
    let range = this.#range;
    if (range >>> 24 === 0) {
      range <<= 8;
      this.#code = (this.#code << 8) | this.#input[this.#at++]!;
    }
    const code = this.#code;
    const probability = probabilities[index]!;
    const bound = Math.imul(range >>> 11, probability);
    if (code >>> 0 < bound >>> 0) {
      this.#range = bound;
      probabilities[index] = probability + ((2048 - probability) >> 5);
      return 0;
    }
    this.#range = (range - bound) | 0;
    this.#code = (code - bound) | 0;
    probabilities[index] = probability - (probability >> 5);
    return 1;
  }

  #tree(base: number, bits: number): number {
    const probabilities = this.#probabilities;
    const input = this.#input;
    let range = this.#range;
    let code = this.#code;
    let at = this.#at;
    let symbol = 1;
    const end = 1 << bits;
    while (symbol < end) {
      const index = base + symbol;
      const probability = probabilities[index]!;
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | input[at++]!;
      }
      const bound = Math.imul(range >>> 11, probability);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        probabilities[index] = probability + ((2048 - probability) >> 5);
        symbol <<= 1;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probabilities[index] = probability - (probability >> 5);
        symbol = (symbol << 1) | 1;
      }
    }
    this.#range = range;
    this.#code = code;
    this.#at = at;
    return symbol - end;
  }

  #reverseTree(base: number, bits: number): number {
    const probabilities = this.#probabilities;
    const input = this.#input;
    let range = this.#range;
    let code = this.#code;
    let at = this.#at;
    let symbol = 1;
    let value = 0;
    for (let place = 0; place < bits; place++) {
      const index = base + symbol;
      const probability = probabilities[index]!;
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | input[at++]!;
      }
      const bound = Math.imul(range >>> 11, probability);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        probabilities[index] = probability + ((2048 - probability) >> 5);
        symbol <<= 1;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probabilities[index] = probability - (probability >> 5);
        symbol = (symbol << 1) | 1;
        value |= 1 << place;
      }
    }
    this.#range = range;
    this.#code = code;
    this.#at = at;
    return value;
  }

  /** Bits of even odds, for which no probabilities are kept; at most 26. */
  #direct(bits: number): number {
    const input = this.#input;
    let range = this.#range;
    let code = this.#code;
    let at = this.#at;
    let value = 0;
    for (; bits > 0; bits--) {
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | input[at++]!;
      }
      range >>>= 1;
      // All ones when the bit is 0.
      const below = (code - range) >> 31;
      code = (code - range + (range & below)) | 0;
      value = ((value << 1) + 1 + below) | 0;
    }
    this.#range = range;
    this.#code = code;
    this.#at = at;
    return value;
  }
}
