import { ShaleError } from '../error/index.ts';

/** Positions in the shared memory: 32-bit words for waiting and for the end, a 64-bit word for the bytes. */
const changesWord = 0;
const endedWord = 1;
const bytesWord = 1;
/** How long a reader sleeps before it looks whether it is still wanted, in milliseconds. */
const nap = 100;

/**
 * How much of a file is there that is still being written, counted from its start. One thread writes and advances, any
 * number of others read and wait; all of them share `memory`.
 */
export class Arrival {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: BigInt64Array;

  constructor(memory = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#bytes = new BigInt64Array(memory);
  }

  /** Bytes from the start that can be read. */
  get bytes(): number {
    return Number(Atomics.load(this.#bytes, bytesWord));
  }

  /** All before `bytes` is written. Never goes back. */
  advance(bytes: number): void {
    Atomics.store(this.#bytes, bytesWord, BigInt(bytes));
    this.#wake();
  }

  /** Nothing more will come, be it that all is there or that it failed. */
  end(): void {
    Atomics.store(this.#words, endedWord, 1);
    this.#wake();
  }

  /**
   * Blocks the thread until `bytes` are there, or as many as there will ever be; returns how many are. Returns early
   * once `ending` is set: whoever waits is not wanted any more.
   */
  wait(bytes: number, ending?: Int32Array): number {
    for (;;) {
      const changes = Atomics.load(this.#words, changesWord);
      const there = this.bytes;
      if (there >= bytes || Atomics.load(this.#words, endedWord) !== 0) return this.bytes;
      if (ending !== undefined && Atomics.load(ending, 0) !== 0) return there;
      Atomics.wait(this.#words, changesWord, changes, nap);
    }
  }

  /** The same without blocking the thread. An abort: `cancelled`. */
  async reach(bytes: number, signal?: AbortSignal): Promise<number> {
    for (;;) {
      const changes = Atomics.load(this.#words, changesWord);
      if (this.bytes >= bytes || Atomics.load(this.#words, endedWord) !== 0) return this.bytes;
      if (signal?.aborted) throw new ShaleError('cancelled', 'cancelled', { cause: signal.reason });
      await Atomics.waitAsync(this.#words, changesWord, changes, nap).value;
    }
  }

  #wake(): void {
    Atomics.add(this.#words, changesWord, 1);
    Atomics.notify(this.#words, changesWord);
  }
}
