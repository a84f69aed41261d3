import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ShaleError } from '../../error/index.ts';

/** How long a thread that was asked to end may take: far longer than any one step of its work. In milliseconds. */
const patience = 10_000;

/** What a thread of ours is started with, beside its own data. */
export interface ThreadData {
  /** One word, not 0 once the thread is to end; asked between steps that last long. */
  readonly ending: Int32Array;
}

/** Ends a thread that waits for messages. */
export interface EndRequest {
  readonly kind: 'end';
}

/**
 * A thread that ends when it is asked to. `Worker.terminate` would stop it anywhere, and Node aborts the whole process if
 * that is inside a native constructor; so a thread looks at `ending` and hears an EndRequest, and is only terminated
 * when it does not answer.
 */
export class Thread {
  readonly #worker: Worker;
  readonly #ending: Int32Array;
  readonly #exited: Promise<unknown>;

  /**
   * Starts a module beside the caller's. `name` has no extension: the checkout runs `.ts`, the published package `.js`.
   * The young generation is kept small, for a pool of threads shares one memory budget. The thread uses the compile cache
   * that this one uses: without it each would hold a TypeScript stripper of its own. `died` is called when the thread
   * fails, or ends without having been asked to.
   */
  constructor(base: string, name: string, data: object, died: (error: ShaleError) => void) {
    const url = new URL(`${name}${base.endsWith('.ts') ? '.ts' : '.js'}`, base);
    const cache = getCompileCacheDir();
    this.#ending = new Int32Array(new SharedArrayBuffer(4));
    this.#worker = new Worker(url, {
      workerData: { ...data, ending: this.#ending } satisfies ThreadData,
      env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
      stdin: false,
    });
    this.#exited = once(this.#worker, 'exit').catch(() => {});
    this.#worker.on('error', cause => died(new ShaleError('internal', `the thread ${name} died`, { cause })));
    this.#worker.on('exit', code => {
      if (this.#ending[0] === 0)
        died(new ShaleError('internal', `the thread ${name} ended with status ${code}`));
    });
  }

  onMessage<T>(listener: (message: T) => void): void {
    this.#worker.on('message', listener);
  }

  post(message: object): void {
    this.#worker.postMessage(message);
  }

  /** Resolves when the thread is gone. */
  async end(): Promise<void> {
    Atomics.store(this.#ending, 0, 1);
    this.post({ kind: 'end' } satisfies EndRequest);
    const waiting = new AbortController();
    const late = setTimeout(patience, true, { ref: false, signal: waiting.signal }).catch(() => false);
    const isLate = await Promise.race([this.#exited.then(() => false), late]);
    waiting.abort();
    if (isLate) await this.#worker.terminate();
  }
}
