import { ShaleError } from '../../error/index.ts';

/** 32-bit words of the shared memory: requests and replies are counted, and equal when nothing is to be done. */
const requestsWord = 0;
const repliesWord = 1;
/** Requests on their way; whoever fills one more piece of memory than that in turn never fills one that is yet to be hashed. */
export const hashDepth = 3;
/** 64-bit words: what is requested, offset and length of each; a place more than are on their way. */
const places = hashDepth + 1;
const firstOperand = 1;
/** Where two digests are put, and their bytes at the most. */
const digestAt = 8 * (firstOperand + 2 * places);
const digestBytes = 128;
/** How long a thread sleeps before it looks whether it is still wanted, in milliseconds. */
const nap = 100;

/** In place of an offset: no more comes, digests are wanted, also the one with `length` zeros behind; or nothing is. */
export const hashEnd = -1;
export const hashAbandon = -2;

/**
 * A line between a thread that has bytes in shared memory and one that hashes them, in order. Some requests may be on their way: the
 * one thread does not stop for each time that the other is not running.
 */
export class HashLine {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #operands: Float64Array;
  readonly #digest: Uint8Array;

  constructor(memory = new SharedArrayBuffer(digestAt + digestBytes)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#operands = new Float64Array(memory);
    this.#digest = new Uint8Array(memory, digestAt);
  }

  /** Waits until fewer than `hashDepth` requests are on their way. `cancelled` once `ending` is set. */
  request(offset: number, length: number, ending: Int32Array): void {
    this.#wait(hashDepth - 1, ending);
    const place = this.#place(Atomics.load(this.#words, requestsWord));
    this.#operands[place] = offset;
    this.#operands[place + 1] = length;
    Atomics.add(this.#words, requestsWord, 1);
    Atomics.notify(this.#words, requestsWord);
  }

  /** Waits until nothing is left to do. */
  settle(ending: Int32Array): void {
    this.#wait(0, ending);
  }

  #place(count: number): number {
    return firstOperand + 2 * (count % places);
  }

  /** Until no more than `most` requests are on their way. */
  #wait(most: number, ending: Int32Array): void {
    for (;;) {
      const replies = Atomics.load(this.#words, repliesWord);
      if (Atomics.load(this.#words, requestsWord) - replies <= most) return;
      if (Atomics.load(ending, 0) !== 0) throw new ShaleError('cancelled', 'nobody wants the hash any more');
      Atomics.wait(this.#words, repliesWord, replies, nap);
    }
  }

  /** After a request for it was settled. */
  digest(length: number): Buffer {
    return Buffer.from(this.#digest.subarray(0, length));
  }

  /** For the thread that hashes: waits for a request. Undefined once `ending` is set. */
  next(ending: Int32Array): { readonly offset: number; readonly length: number } | undefined {
    for (;;) {
      const requests = Atomics.load(this.#words, requestsWord);
      const replies = Atomics.load(this.#words, repliesWord);
      if (requests !== replies) {
        const place = this.#place(replies);
        return { offset: this.#operands[place]!, length: this.#operands[place + 1]! };
      }
      if (Atomics.load(ending, 0) !== 0) return undefined;
      Atomics.wait(this.#words, requestsWord, requests, nap);
    }
  }

  reply(digest?: Uint8Array): void {
    if (digest !== undefined) this.#digest.set(digest);
    Atomics.add(this.#words, repliesWord, 1);
    Atomics.notify(this.#words, repliesWord);
  }
}
