/** CRC-64 as xz has it (ECMA-182, reflected), in two 32-bit halves, four bytes a step. */
const polynomialHigh = 0xc96c5795;
const polynomialLow = 0xd7870f42;

/** `[low, high]` of four tables, the next a byte further on than the last. */
const tables = makeTables();

function makeTables(): { readonly low: Int32Array; readonly high: Int32Array } {
  const low = new Int32Array(4 * 256);
  const high = new Int32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let [l, h] = [byte, 0];
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (odd === 1) {
        l ^= polynomialLow;
        h ^= polynomialHigh;
      }
    }
    low[byte] = l;
    high[byte] = h;
  }
  for (let at = 256; at < low.length; at++) {
    const [l, h] = [low[at - 256]!, high[at - 256]!];
    low[at] = ((l >>> 8) | (h << 24)) ^ low[l & 255]!;
    high[at] = (h >>> 8) ^ high[l & 255]!;
  }
  return { low, high };
}

export class Crc64 {
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): void {
    const { low, high } = tables;
    let [l, h] = [this.#low, this.#high];
    let at = 0;
    for (; at + 4 <= bytes.length; at += 4) {
      l ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      const [a, b, c, d] = [768 + (l & 255), 512 + ((l >>> 8) & 255), 256 + ((l >>> 16) & 255), l >>> 24];
      l = h ^ low[a]! ^ low[b]! ^ low[c]! ^ low[d]!;
      h = high[a]! ^ high[b]! ^ high[c]! ^ high[d]!;
    }
    for (; at < bytes.length; at++) {
      const index = (l ^ bytes[at]!) & 255;
      l = ((l >>> 8) | (h << 24)) ^ low[index]!;
      h = (h >>> 8) ^ high[index]!;
    }
    this.#low = l;
    this.#high = h;
  }

  /** Eight bytes, lowest first. */
  digest(): Uint8Array {
    const view = new DataView(new ArrayBuffer(8));
    view.setInt32(0, ~this.#low, true);
    view.setInt32(4, ~this.#high, true);
    return new Uint8Array(view.buffer);
  }
}
