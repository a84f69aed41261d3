import { ShaleError } from '../../error/index.ts';

/** A slab's payload: one read-ahead step of a layer, or the output of one compression job. In bytes. */
export const slabBytes = 1024 * 1024;
/** Room behind the payload, so that a codec always has its worst case (zstd's and deflate's bounds for 1 MiB are under 5 KiB). */
const slackBytes = 8 * 1024;
const strideBytes = slabBytes + slackBytes;

/** A piece of the pool's memory, in bytes from its start. Negative offsets mean zeros that are not stored anywhere. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** The span of `length` zeros. */
export const zeroSpan = -1;

/**
 * The memory budget of a render: one SharedArrayBuffer, cut into slabs that threads fill and empty without copying.
 * Slabs are counted by reference; the last `release` frees one. Freed slabs are used again first (so that the resident
 * set stays as small as the work allows; the system commits untouched slabs never).
 */
export class SlabPool {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly #free: number[] = [];
  readonly #references: Int32Array;
  readonly #waiting: { readonly reserve: () => number; readonly give: (slab: number) => void }[] = [];

  constructor(count: number) {
    this.count = count;
    this.memory = new SharedArrayBuffer(count * strideBytes);
    this.bytes = new Uint8Array(this.memory);
    this.#references = new Int32Array(count);
    for (let slab = count - 1; slab >= 0; slab--) this.#free.push(slab);
  }

  static start(slab: number): number {
    return slab * strideBytes;
  }
  static of(offset: number): number {
    return Math.floor(offset / strideBytes);
  }
  static readonly capacity = strideBytes;

  get free(): number {
    return this.#free.length;
  }

  /** One slab with one reference, or undefined when no more than `reserve` are free. */
  take(reserve = 0): number | undefined {
    if (this.#free.length <= reserve) return undefined;
    const slab = this.#free.pop()!;
    this.#references[slab] = 1;
    return slab;
  }

  /**
   * Calls back with a slab, perhaps at once, when more than `reserve()` are free. Earlier requests come first, but one
   * that must wait for its reserve does not hold up those behind it.
   */
  request(reserve: () => number, give: (slab: number) => void): void {
    this.#waiting.push({ reserve, give });
    this.serve();
  }

  /** Looks at the waiting requests again; to be called when a reserve has become smaller. */
  serve(): void {
    for (let index = 0; index < this.#waiting.length && this.#free.length > 0; ) {
      const { reserve, give } = this.#waiting[index]!;
      const slab = this.take(reserve());
      if (slab === undefined) {
        index += 1;
        continue;
      }
      this.#waiting.splice(index, 1);
      give(slab);
      // What it did with the slab may have changed the list.
      index = 0;
    }
  }

  retain(slab: number): void {
    this.#references[slab]! += 1;
  }

  release(slab: number): void {
    const left = --this.#references[slab]!;
    if (left > 0) return;
    // Freed twice it would get two owners, and files would get each other's bytes.
    if (left < 0) throw new ShaleError('internal', `slab ${slab} was released more often than retained`);
    this.#free.push(slab);
    this.serve();
  }
  /** Releases the slab of each span: offset and length, one behind the other. Zeros lie in none. */
  releaseSpans(spans: readonly number[]): void {
    for (let span = 0; span < spans.length; span += 2) {
      const offset = spans[span]!;
      if (offset !== zeroSpan) this.release(SlabPool.of(offset));
    }
  }
}
