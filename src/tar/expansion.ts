import type { TarHandler } from './entry.ts';
import type { SparseSegment } from './sparse.ts';

/** Walks through a validated sparse map in step with the stored data: hands out the holes, says how much data is due. */
export class Expansion {
  readonly #segments: readonly SparseSegment[];
  readonly #realSize: number;
  #index = 0;
  #position = 0;

  constructor(segments: readonly SparseSegment[], realSize: number) {
    this.#segments = segments;
    this.#realSize = realSize;
  }

  /** Emits the hole that comes next, if any, and returns the length of the data after it; 0: the file is complete. */
  next(handler: TarHandler): number {
    for (; this.#index < this.#segments.length; this.#index += 1) {
      const { offset, length } = this.#segments[this.#index]!;
      // Writers mark the end with an empty segment; what lies before it is part of the last hole.
      if (length === 0) continue;
      this.#hole(handler, offset);
      this.#position = offset + length;
      this.#index += 1;
      return length;
    }
    this.#hole(handler, this.#realSize);
    this.#position = this.#realSize;
    return 0;
  }

  #hole(handler: TarHandler, end: number): void {
    if (end > this.#position) handler.hole(end - this.#position);
  }
}
