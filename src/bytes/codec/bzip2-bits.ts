import { corrupt } from './error.ts';
import type { Input } from './input.ts';

export const longestCode = 20;
const lookupBits = 10;

/** A canonical prefix code, first by a table of ten bits, then by the last code of each length. */
export class PrefixCode {
  /** By the next ten bits: symbol * 32 + length; 0 when the code is longer. */
  readonly lookup = new Uint16Array(2 ** lookupBits);
  /** By length: one more than the last code, as if it had twenty bits. */
  readonly limit = new Int32Array(longestCode + 1);
  /** By length: what to add to a code for its place in `symbols`. */
  readonly base = new Int32Array(longestCode + 1);
  readonly symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    const order: number[] = [];
    let code = 0;
    for (let length = 1; length <= longestCode; length++) {
      this.base[length] = order.length - code;
      lengths.forEach((own, symbol) => {
        if (own !== length) return;
        order.push(symbol);
        if (length <= lookupBits && code < 2 ** length) {
          const first = code * 2 ** (lookupBits - length);
          this.lookup.fill(symbol * 32 + length, first, first + 2 ** (lookupBits - length));
        }
        code++;
      });
      this.limit[length] = code * 2 ** (longestCode - length);
      code *= 2;
    }
    this.symbols = Uint16Array.from(order);
  }
}

/** Bits, highest first, of an input that may be cut anywhere. */
export class BitInput {
  readonly #input: Input;
  /** Its low `#held` bits are the next ones; what is above them is spent. */
  #hold = 0;
  #held = 0;

  constructor(input: Input) {
    this.#input = input;
  }

  /** Drops the rest of a byte. */
  align(): void {
    this.#held -= this.#held % 8;
  }

  /** At most 24 bits. */
  *bits(count: number): Generator<void, number, void> {
    while (this.#held < count) {
      this.#hold = (this.#hold << 8) | (yield* this.#input.byte());
      this.#held += 8;
    }
    this.#held -= count;
    return (this.#hold >>> this.#held) & ((1 << count) - 1);
  }

  /** Bytes of input that are surely there. */
  get ready(): number {
    return this.#input.bytes.length - this.#input.at;
  }

  *symbol(code: PrefixCode): Generator<void, number, void> {
    let value = 0;
    for (let length = 1; length <= longestCode; length++) {
      value = value * 2 + (yield* this.bits(1));
      if (value * 2 ** (longestCode - length) < code.limit[length]!) return symbolAt(code, value, length);
    }
    throw corrupt('bzip2: invalid code');
  }

  /** The same for `count` symbols, or up to and with `last`, at once, when three bytes for each of them are `ready`. */
  symbols(code: PrefixCode, target: Uint16Array, count: number, last: number): void {
    const { bytes } = this.#input;
    const { lookup, limit } = code;
    let at = this.#input.at;
    let hold = this.#hold;
    let held = this.#held;
    for (let index = 0; index < count; index++) {
      while (held < longestCode) {
        hold = (hold << 8) | bytes[at++]!;
        held += 8;
      }
      const entry = lookup[(hold >>> (held - lookupBits)) & (2 ** lookupBits - 1)]!;
      if (entry !== 0) {
        held -= entry & 31;
        target[index] = entry >> 5;
        if (entry >> 5 === last) break;
        continue;
      }
      const next = (hold >>> (held - longestCode)) & (2 ** longestCode - 1);
      let length = 1;
      while (length <= longestCode && next >= limit[length]!) length++;
      if (length > longestCode) throw corrupt('bzip2: invalid code');
      target[index] = symbolAt(code, next >>> (longestCode - length), length);
      held -= length;
      if (target[index] === last) break;
    }
    this.#input.at = at;
    this.#hold = hold;
    this.#held = held;
  }
}

function symbolAt(code: PrefixCode, value: number, length: number): number {
  const symbol = code.symbols[value + code.base[length]!];
  if (symbol === undefined) throw corrupt('bzip2: invalid code');
  return symbol;
}
