import { crc32 } from 'node:zlib';
import { corrupt } from './error.ts';
import type { Inflater } from './inflater.ts';

const windowSize = 0x8000;
/** RFC 1951, 3.2.5: extra bits and bases of lengths (symbols 257–285) and distances (0–29). */
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const lengthBase = bases(3, lengthExtra);
lengthBase[28] = 258;
const distanceExtra = Array.from({ length: 30 }, (_, symbol) => Math.max(0, (symbol >> 1) - 1));
const distanceBase = bases(1, distanceExtra);
/** RFC 1951, 3.2.7: the order in which the code lengths of code lengths stand. */
const lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function bases(first: number, extra: readonly number[]): number[] {
  const list: number[] = [];
  for (const bits of extra) {
    list.push(first);
    first += 2 ** bits;
  }
  return list;
}

/** A lookup by the next `bits` bits: symbol * 16 + code length; 0 where no code is. */
interface Code {
  readonly table: Uint16Array;
  readonly bits: number;
}

function makeCode(lengths: Uint8Array): Code {
  const counts = new Uint16Array(17);
  let bits = 1;
  for (const length of lengths) {
    if (length === 0) continue;
    counts[length]!++;
    bits = Math.max(bits, length);
  }
  const next = new Uint32Array(17);
  let code = 0;
  let used = 0;
  for (let length = 1; length <= 15; length++) {
    code = (code + (length === 1 ? 0 : counts[length - 1]!)) * 2;
    next[length] = code;
    used += counts[length]! * 2 ** (15 - length);
  }
  // As zlib does: a set may leave codes unused only when it has no more than one code, of one bit.
  if (used > 32768 || (used !== 32768 && used !== 0 && bits > 1))
    throw corrupt('deflate: impossible code lengths');
  const table = new Uint16Array(2 ** bits);
  lengths.forEach((length, symbol) => {
    if (length === 0) return;
    let reversed = 0;
    for (let at = 0, value = next[length]!++; at < length; at++, value >>= 1)
      reversed = reversed * 2 + (value & 1);
    for (; reversed < table.length; reversed += 2 ** length) table[reversed] = symbol * 16 + length;
  });
  return { table, bits };
}

function fixedCodes(): [Code, Code] {
  const literals = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
  return [makeCode(literals), makeCode(new Uint8Array(32).fill(5))];
}

/**
 * Deflate without any library, for a Node whose zlib handle is not what this project knows. Slow, and only meant to be
 * right. A generator keeps the place wherever input or room runs out.
 */
export class PortableInflater implements Inflater {
  consumed = 0;
  produced = 0;
  ended = false;
  crc = 0;
  readonly verifies = false;
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #output: Uint8Array = new Uint8Array(0);
  #to = 0;
  #limit = 0;
  #hold = 0;
  #held = 0;
  readonly #window = new Uint8Array(windowSize);
  #windowAt = 0;
  #filled = 0;
  #run = this.#decode();

  inflate(
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void {
    this.#input = input;
    this.#at = inputOffset;
    this.#end = inputOffset + inputLength;
    this.#output = output;
    this.#to = outputOffset;
    this.#limit = outputOffset + outputLength;
    if (!this.ended) this.ended = this.#run.next().done === true;
    this.consumed = this.#at - inputOffset;
    this.produced = this.#to - outputOffset;
    this.crc = crc32(output.subarray(outputOffset, this.#to), this.crc);
  }

  reset(): void {
    this.ended = false;
    this.crc = 0;
    this.#hold = 0;
    this.#held = 0;
    this.#windowAt = 0;
    this.#filled = 0;
    this.#run = this.#decode();
  }

  close(): void {
    this.#input = new Uint8Array(0);
    this.#output = this.#input;
  }

  *#decode(): Generator<void, void, void> {
    let last = 0;
    while (last === 0) {
      last = yield* this.#bits(1);
      const type = yield* this.#bits(2);
      if (type === 0) yield* this.#stored();
      else if (type === 1) yield* this.#coded(...fixedCodes());
      else if (type === 2) yield* this.#coded(...(yield* this.#dynamicCodes()));
      else throw corrupt('deflate: unknown block type');
    }
  }

  *#bits(count: number): Generator<void, number, void> {
    while (this.#held < count) {
      while (this.#at === this.#end) yield;
      this.#hold += this.#input[this.#at++]! * 2 ** this.#held;
      this.#held += 8;
    }
    const value = this.#hold % 2 ** count;
    this.#hold = Math.floor(this.#hold / 2 ** count);
    this.#held -= count;
    return value;
  }

  *#symbol(code: Code): Generator<void, number, void> {
    for (;;) {
      const entry = code.table[this.#hold % code.table.length]!;
      const length = entry & 15;
      if (length > 0 && length <= this.#held) {
        this.#hold = Math.floor(this.#hold / 2 ** length);
        this.#held -= length;
        return entry >> 4;
      }
      if (this.#held >= code.bits) throw corrupt('deflate: invalid code');
      while (this.#at === this.#end) yield;
      this.#hold += this.#input[this.#at++]! * 2 ** this.#held;
      this.#held += 8;
    }
  }

  *#put(byte: number): Generator<void, void, void> {
    while (this.#to === this.#limit) yield;
    this.#output[this.#to++] = byte;
    this.#window[this.#windowAt] = byte;
    this.#windowAt = (this.#windowAt + 1) % windowSize;
    if (this.#filled < windowSize) this.#filled++;
  }

  *#stored(): Generator<void, void, void> {
    yield* this.#bits(this.#held % 8);
    const length = yield* this.#bits(16);
    if (length + (yield* this.#bits(16)) !== 0xffff) throw corrupt('deflate: invalid stored block length');
    for (let count = 0; count < length; count++) yield* this.#put(yield* this.#bits(8));
  }

  *#dynamicCodes(): Generator<void, [Code, Code], void> {
    const literals = 257 + (yield* this.#bits(5));
    const distances = 1 + (yield* this.#bits(5));
    if (literals > 286 || distances > 30) throw corrupt('deflate: too many symbols');
    const count = 4 + (yield* this.#bits(4));
    const order = new Uint8Array(19);
    for (let at = 0; at < count; at++) order[lengthOrder[at]!] = yield* this.#bits(3);
    const code = makeCode(order);
    const lengths = new Uint8Array(literals + distances);
    for (let at = 0; at < lengths.length; ) {
      const symbol = yield* this.#symbol(code);
      if (symbol < 16) {
        lengths[at++] = symbol;
        continue;
      }
      if (symbol === 16 && at === 0) throw corrupt('deflate: a repeat without a length before it');
      const value = symbol === 16 ? lengths[at - 1]! : 0;
      const repeat =
        symbol === 18 ? 11 + (yield* this.#bits(7)) : 3 + (yield* this.#bits(symbol === 17 ? 3 : 2));
      if (at + repeat > lengths.length) throw corrupt('deflate: a repeat beyond the last length');
      lengths.fill(value, at, at + repeat);
      at += repeat;
    }
    if (lengths[256] === 0) throw corrupt('deflate: a block without an end');
    return [makeCode(lengths.subarray(0, literals)), makeCode(lengths.subarray(literals))];
  }

  *#coded(literals: Code, distances: Code): Generator<void, void, void> {
    for (;;) {
      const symbol = yield* this.#symbol(literals);
      if (symbol < 256) {
        yield* this.#put(symbol);
        continue;
      }
      if (symbol === 256) return;
      if (symbol > 285) throw corrupt('deflate: invalid length');
      const length = lengthBase[symbol - 257]! + (yield* this.#bits(lengthExtra[symbol - 257]!));
      const slot = yield* this.#symbol(distances);
      if (slot > 29) throw corrupt('deflate: invalid distance');
      const distance = distanceBase[slot]! + (yield* this.#bits(distanceExtra[slot]!));
      if (distance > this.#filled) throw corrupt('deflate: a distance beyond the start');
      for (let count = 0; count < length; count++) {
        yield* this.#put(this.#window[(this.#windowAt + windowSize - distance) % windowSize]!);
      }
    }
  }
}
