import { nothing } from './padding.ts';

/**
 * The two ends of a decoder written as a generator: it takes bytes and yields where there are none, so it reads top to
 * bottom although its input comes in pieces that may be cut anywhere.
 */
export class Input {
  bytes = nothing;
  at = 0;
  /** Bytes taken since the decoder last set it to 0. */
  count = 0;

  push(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
  }

  *byte(): Generator<void, number, void> {
    while (this.at === this.bytes.length) yield;
    this.count++;
    return this.bytes[this.at++]!;
  }

  /** Fills `target[from, to)`. */
  *fill(target: Uint8Array, from: number, to: number): Generator<void, void, void> {
    while (from < to) {
      while (this.at === this.bytes.length) yield;
      const size = Math.min(to - from, this.bytes.length - this.at);
      target.set(this.bytes.subarray(this.at, this.at + size), from);
      this.at += size;
      this.count += size;
      from += size;
    }
  }
}
