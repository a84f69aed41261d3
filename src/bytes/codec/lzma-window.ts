import { corrupt } from './error.ts';

/** What a stream gets at first, however large a dictionary it asks for. */
const firstSize = 2 ** 16;

/** The dictionary: a ring of the last `size` bytes, which is also where output is made before it is copied out. */
export class LzmaWindow {
  buffer = new Uint8Array(0);
  /** Where the next byte goes. */
  position = 0;
  /** How far back a match may reach. */
  filled = 0;
  #size = 0;

  /** `size`: a multiple of 16, so that the place in the ring tells the place in the stream modulo 16. */
  open(size: number): void {
    this.#size = size;
    if (this.buffer.length > size) this.buffer = new Uint8Array(0);
    this.reset();
  }

  reset(): void {
    this.position = 0;
    this.filled = 0;
  }

  /** The byte before the next one; 0 at the start. */
  get last(): number {
    if (this.position > 0) return this.buffer[this.position - 1]!;
    return this.filled === 0 ? 0 : this.buffer[this.buffer.length - 1]!;
  }

  /** Makes room behind `position` and returns how far it may advance: up to `wanted` bytes, at least one. */
  room(wanted: number): number {
    if (this.position === this.buffer.length) {
      if (this.buffer.length < this.#size) {
        const grown = new Uint8Array(Math.min(this.#size, Math.max(firstSize, this.buffer.length * 4)));
        grown.set(this.buffer);
        this.buffer = grown;
      } else this.position = 0;
    }
    return Math.min(wanted, this.buffer.length - this.position);
  }

  advance(count: number): void {
    this.position += count;
    if (this.filled < this.#size) this.filled = Math.min(this.#size, this.filled + count);
  }

  /** Copies up to `length` bytes from `distance` back, no further than `limit`; returns how many. */
  repeat(distance: number, length: number, limit: number): number {
    if (distance > this.filled) throw corrupt('xz: a match before the start of the data');
    const buffer = this.buffer;
    const count = Math.min(length, limit - this.position);
    let from = this.position - distance;
    if (from < 0) from += buffer.length;
    let to = this.position;
    if (from + count <= buffer.length && (from > to || distance >= count) && count > 32) {
      buffer.copyWithin(to, from, from + count);
    } else {
      for (const end = to + count; to < end; to++) {
        buffer[to] = buffer[from]!;
        if (++from === buffer.length) from = 0;
      }
    }
    this.advance(count);
    return count;
  }
}
