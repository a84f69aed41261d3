import { corrupt } from './error.ts';
import { storeSmaller } from './scratch.ts';
import type { BlockCompressor, BlockDecompressor } from './types.ts';

/*
 * The LZ4 block format: sequences of a token (high half: number of literals, low half: match length - 4; 15 means that
 * more bytes follow, each added, until one is not 255), the literals, a 16-bit little-endian distance. The last
 * sequence has literals only. Its two rules for an end: the last five bytes are literals, and the last match starts at
 * least twelve bytes before the end.
 */
const shortestMatch = 4;
const lastLiterals = 5;
const lastMatchStart = 12;
const farthest = 65535;
const hashBits = 15;
/** After 2^6 misses in a row the search takes two bytes a step, and so on: incompressible data is passed quickly. */
const skipBits = 6;

/** LZ4 with a greedy search over a table of the last place of each four bytes, as the "fast" mode of the C library. */
export class Lz4BlockCompressor implements BlockCompressor {
  readonly #table = new Int32Array(2 ** hashBits);
  #scratch = new Uint8Array(0);

  compress(input: Uint8Array, output: Uint8Array): number {
    const direct = output.length >= input.length;
    if (!direct && this.#scratch.length < input.length) this.#scratch = new Uint8Array(input.length);
    const target = direct ? output : this.#scratch;
    // One byte less than the input is the most that is of use.
    const size = this.#pack(input, target, input.length - 1);
    if (size === 0 || direct) return size;
    return storeSmaller(target.subarray(0, size), input.length, output);
  }

  /** 0 when more than `limit` bytes would be needed. */
  #pack(input: Uint8Array, output: Uint8Array, limit: number): number {
    const table = this.#table.fill(-1);
    const view = new DataView(input.buffer, input.byteOffset, input.length);
    const searchEnd = input.length - lastMatchStart;
    const matchEnd = input.length - lastLiterals;
    let anchor = 0;
    let at = 0;
    let to = 0;
    let misses = 2 ** skipBits;
    while (at <= searchEnd) {
      const word = view.getInt32(at, true);
      const hash = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
      let from = table[hash]!;
      table[hash] = at;
      if (from < 0 || at - from > farthest || view.getInt32(from, true) !== word) {
        at += misses++ >> skipBits;
        continue;
      }
      misses = 2 ** skipBits;
      while (at > anchor && from > 0 && input[at - 1] === input[from - 1]) {
        at--;
        from--;
      }
      const start = at;
      const distance = at - from;
      at += shortestMatch;
      from += shortestMatch;
      while (at < matchEnd && input[at] === input[from]) {
        at++;
        from++;
      }
      const literals = start - anchor;
      const match = at - start - shortestMatch;
      if (to + literals + Math.ceil(literals / 255) + Math.ceil(match / 255) + 5 > limit) return 0;
      output[to] = Math.min(literals, 15) * 16 + Math.min(match, 15);
      to = putLength(output, to + 1, literals);
      output.set(input.subarray(anchor, start), to);
      to += literals;
      output[to++] = distance % 256;
      output[to++] = distance >>> 8;
      to = putLength(output, to, match);
      anchor = at;
      if (at <= searchEnd) {
        const behind = view.getInt32(at - 2, true);
        table[Math.imul(behind, 0x9e3779b1) >>> (32 - hashBits)] = at - 2;
      }
    }
    const literals = input.length - anchor;
    if (to + literals + Math.ceil(literals / 255) + 2 > limit) return 0;
    output[to] = Math.min(literals, 15) * 16;
    to = putLength(output, to + 1, literals);
    output.set(input.subarray(anchor), to);
    return to + literals;
  }

  close(): void {}
}

function putLength(output: Uint8Array, to: number, length: number): number {
  if (length < 15) return to;
  let left = length - 15;
  for (; left >= 255; left -= 255) output[to++] = 255;
  output[to++] = left;
  return to;
}

export class Lz4BlockDecompressor implements BlockDecompressor {
  readonly #isPartial: boolean;

  /** `partial`: stops when the output is full, whatever follows in the block. */
  constructor(options: { readonly partial?: boolean } = {}) {
    this.#isPartial = options.partial ?? false;
  }

  decompress(input: Uint8Array, output: Uint8Array): number {
    let at = 0;
    let to = 0;
    for (;;) {
      if (at >= input.length) throw corrupt('lz4: the block is cut');
      const token = input[at++]!;
      let literals = token >>> 4;
      if (literals === 15) {
        let more: number;
        do {
          if (at >= input.length) throw corrupt('lz4: the block is cut within a length');
          more = input[at++]!;
          literals += more;
        } while (more === 255);
      }
      if (literals > input.length - at) throw corrupt('lz4: the block is cut within literals');
      if (literals > output.length - to) {
        if (!this.#isPartial) throw tooLong(output.length);
        literals = output.length - to;
      }
      if (literals > 32) output.set(input.subarray(at, at + literals), to);
      else for (let index = 0; index < literals; index++) output[to + index] = input[at + index]!;
      at += literals;
      to += literals;
      if (this.#isPartial && to === output.length) return to;
      if (at === input.length) {
        if (token % 16 !== 0) throw corrupt('lz4: the block is cut behind literals');
        return to;
      }
      if (at + 2 > input.length) throw corrupt('lz4: the block is cut within a distance');
      const distance = input[at]! + input[at + 1]! * 256;
      at += 2;
      if (distance === 0 || distance > to) throw corrupt('lz4: a match before the start of the block');
      let match = (token % 16) + shortestMatch;
      if (match === 15 + shortestMatch) {
        let more: number;
        do {
          if (at >= input.length) throw corrupt('lz4: the block is cut within a length');
          more = input[at++]!;
          match += more;
        } while (more === 255);
      }
      if (match > output.length - to) {
        if (!this.#isPartial) throw tooLong(output.length);
        match = output.length - to;
      }
      if (distance >= match && match > 32) output.copyWithin(to, to - distance, to - distance + match);
      else for (let index = 0; index < match; index++) output[to + index] = output[to + index - distance]!;
      to += match;
    }
  }

  close(): void {}
}

function tooLong(length: number): Error {
  return corrupt(`lz4: the block is longer than ${length} bytes`);
}
