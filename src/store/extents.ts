/** A range of bytes that is there; `end` is the first byte that is not. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** What of a file is there: sorted, disjoint, and never two that touch. */
export class Extents {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #total = 0;

  /** How many bytes there are. */
  get total(): number {
    return this.#total;
  }

  get count(): number {
    return this.#starts.length;
  }

  list(): Extent[] {
    return this.#starts.map((start, index) => ({ start, end: this.#ends[index]! }));
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    // All that overlap or touch the new one become one with it.
    const first = firstAtLeast(this.#ends, start);
    let last = first;
    while (last < this.#starts.length && this.#starts[last]! <= end) {
      start = Math.min(start, this.#starts[last]!);
      end = Math.max(end, this.#ends[last]!);
      this.#total -= this.#ends[last]! - this.#starts[last]!;
      last += 1;
    }
    this.#starts.splice(first, last - first, start);
    this.#ends.splice(first, last - first, end);
    this.#total += end - start;
  }
}

/** The first position in an ascending list whose value is at least `wanted`. */
function firstAtLeast(values: readonly number[], wanted: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
