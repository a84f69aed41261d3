import { type BitInput, PrefixCode } from './bzip2-bits.ts';
import { CodecError, corrupt } from './error.ts';

/** So many symbols share a code. */
const groupSize = 50;
const mostSelectors = 18002;
const runA = 0;
const runB = 1;

/** CRC-32 with its highest bit first, which is what bzip2 has. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});

/** One block: decoded as a whole, then given out piece by piece. */
export class Bzip2Block {
  /** The Burrows–Wheeler transform: each word a byte and, above it, the place of the byte that follows. */
  readonly #words: Uint32Array;
  #length = 0;
  #next = 0;
  #given = 0;
  /** Run-length coding: after four equal bytes comes a count of more of them. */
  #last = -1;
  #same = 0;
  #repeat = 0;
  #crc = -1;

  constructor(size: number) {
    this.#words = new Uint32Array(size);
  }

  /** The most bytes that a block may have, before its run-length coding is undone. */
  get size(): number {
    return this.#words.length;
  }

  /** Of what was given out so far. */
  get crc(): number {
    return ~this.#crc >>> 0;
  }

  /** Reads a block behind its magic and checksum. */
  *read(bits: BitInput): Generator<void, void, void> {
    if ((yield* bits.bits(1)) === 1)
      throw new CodecError('unsupported', 'bzip2: randomised blocks are not supported');
    const origin = yield* bits.bits(24);
    const alphabet = yield* readAlphabet(bits);
    const codeCount = yield* bits.bits(3);
    if (codeCount < 2 || codeCount > 6) throw corrupt('bzip2: impossible number of codes');
    const selectors = yield* readSelectors(bits, codeCount);
    const codes: PrefixCode[] = [];
    while (codes.length < codeCount)
      codes.push(new PrefixCode(yield* readLengths(bits, alphabet.length + 2)));
    yield* this.#symbols(bits, alphabet, selectors, codes);
    if (origin >= this.#length) throw corrupt('bzip2: the origin lies outside of its block');
    this.#link();
    this.#next = this.#words[origin]! >>> 8;
    this.#given = 0;
    this.#last = -1;
    this.#same = 0;
    this.#repeat = 0;
    this.#crc = -1;
  }

  *#symbols(
    bits: BitInput,
    alphabet: Uint8Array,
    selectors: Uint8Array,
    codes: readonly PrefixCode[],
  ): Generator<void, void, void> {
    const words = this.#words;
    const group = new Uint16Array(groupSize);
    const endOfBlock = alphabet.length + 1;
    let length = 0;
    let run = 0;
    let weight = 1;
    for (const selector of selectors) {
      const code = codes[selector]!;
      const fast = bits.ready >= groupSize * 3;
      if (fast) bits.symbols(code, group, groupSize, endOfBlock);
      for (let at = 0; at < groupSize; at++) {
        const symbol = fast ? group[at]! : yield* bits.symbol(code);
        if (symbol === runA || symbol === runB) {
          run += weight * (symbol + 1);
          weight *= 2;
          if (run > words.length) throw corrupt('bzip2: a block is too long');
          continue;
        }
        if (run > 0) {
          if (run > words.length - length) throw corrupt('bzip2: a block is too long');
          words.fill(alphabet[0]!, length, length + run);
          length += run;
          run = 0;
          weight = 1;
        }
        if (symbol === endOfBlock) {
          this.#length = length;
          return;
        }
        if (length === words.length) throw corrupt('bzip2: a block is too long');
        const byte = alphabet[symbol - 1]!;
        alphabet.copyWithin(1, 0, symbol - 1);
        alphabet[0] = byte;
        words[length++] = byte;
      }
    }
    throw corrupt('bzip2: a block without an end');
  }

  #link(): void {
    const words = this.#words;
    const length = this.#length;
    const starts = new Uint32Array(257);
    for (let at = 0; at < length; at++) starts[words[at]! + 1]!++;
    for (let byte = 0; byte < 256; byte++) starts[byte + 1]! += starts[byte]!;
    for (let at = 0; at < length; at++) {
      // The byte is in the low eight bits; places stay below 900000, so both fit in a word.
      const place = starts[words[at]! & 255]!++;
      words[place]! += at * 256;
    }
  }

  /** Puts the next bytes into `output` from `to` on; returns where they end. Less than `output.length`: that was all. */
  give(output: Uint8Array, to: number): number {
    const words = this.#words;
    const length = this.#length;
    let crc = this.#crc;
    while (to < output.length) {
      if (this.#repeat > 0) {
        this.#repeat--;
        output[to++] = this.#last;
        crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ this.#last]!;
        continue;
      }
      if (this.#given === length) break;
      const word = words[this.#next]!;
      this.#next = word >>> 8;
      this.#given++;
      const byte = word & 255;
      if (this.#same === 4) {
        this.#repeat = byte;
        this.#same = 0;
        continue;
      }
      this.#same = byte === this.#last ? this.#same + 1 : 1;
      this.#last = byte;
      output[to++] = byte;
      crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ byte]!;
    }
    this.#crc = crc;
    return to;
  }
}

/** The bytes that occur: which of sixteen sixteenths, then which of each. */
function* readAlphabet(bits: BitInput): Generator<void, Uint8Array, void> {
  const sixteenths = yield* bits.bits(16);
  const used: number[] = [];
  for (let high = 0; high < 16; high++) {
    if ((sixteenths & (0x8000 >> high)) === 0) continue;
    const sixteen = yield* bits.bits(16);
    for (let low = 0; low < 16; low++) if ((sixteen & (0x8000 >> low)) !== 0) used.push(high * 16 + low);
  }
  if (used.length === 0) throw corrupt('bzip2: a block without bytes');
  return Uint8Array.from(used);
}

/** Which code each group has, as moves to the front; more than a block can need are read and dropped. */
function* readSelectors(bits: BitInput, codeCount: number): Generator<void, Uint8Array, void> {
  const count = yield* bits.bits(15);
  if (count === 0) throw corrupt('bzip2: a block without selectors');
  const order = [0, 1, 2, 3, 4, 5];
  const selectors = new Uint8Array(Math.min(count, mostSelectors));
  for (let at = 0; at < count; at++) {
    let place = 0;
    while ((yield* bits.bits(1)) === 1) {
      if (++place >= codeCount) throw corrupt('bzip2: impossible selector');
    }
    const [code] = order.splice(place, 1);
    order.unshift(code!);
    selectors[at] = code!;
  }
  return selectors;
}

/** Code lengths, each as steps up or down from the one before. */
function* readLengths(bits: BitInput, count: number): Generator<void, Uint8Array, void> {
  const lengths = new Uint8Array(count);
  let length = yield* bits.bits(5);
  for (let symbol = 0; symbol < count; symbol++) {
    for (;;) {
      if (length < 1 || length > 20) throw corrupt('bzip2: impossible code length');
      if ((yield* bits.bits(1)) === 0) break;
      length += (yield* bits.bits(1)) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return lengths;
}
