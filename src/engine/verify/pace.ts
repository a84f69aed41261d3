import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from '../../host/index.ts';

/** Milliseconds of hashing at a time: reading threads wait for the event loop meanwhile. */
const longest = 10;

/** Keeps synchronous work in the main thread from holding up everything else, and from not hearing an abort. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  get isDue(): boolean {
    return performance.now() - this.#since > longest;
  }

  /** Lets others run. `cancelled` once the signal is aborted. */
  async rest(): Promise<void> {
    await setImmediate();
    throwIfAborted(this.#signal);
    this.#since = performance.now();
  }
}
