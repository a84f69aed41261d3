import { type PortableError, unpackError, wrapErrno } from '../../error/index.ts';
import type { BlockAlgorithm } from '../codec/types.ts';
import type { BlockReply, BlockRequest, BlockThreadData } from './block-protocol.ts';
import { SlabPool } from './slab-pool.ts';
import { Thread } from './thread.ts';

export interface BlockPoolOptions {
  readonly slabs: SlabPool;
  readonly threads: number;
  readonly algorithm: BlockAlgorithm | undefined;
  readonly level: number | undefined;
  readonly blockBytes: number;
}

/** What became of a job: `lengths` as in BlockReply, stored one behind the other in `slab`, which the receiver releases. */
export interface BlockResult {
  readonly slab: number;
  readonly lengths: readonly number[];
}

interface Job {
  readonly spans: readonly number[];
  readonly done: (result: BlockResult) => void;
  slab: number;
}

/** Jobs that wait in each thread's mailbox: one running and one behind it, so that no thread waits for the main one. */
const jobsPerThread = 2;

/**
 * Threads that compress blocks out of one memory into one memory. Jobs may finish in any order; who submits them puts the
 * results in order. Each running job holds one output slab, so memory is bounded by the slab pool.
 */
export class BlockPool {
  readonly #slabs: SlabPool;
  readonly #threads: { readonly thread: Thread; running: number }[] = [];
  readonly #running = new Map<number, { readonly job: Job; readonly thread: number }>();
  #queue: Job[] = [];
  #head = 0;
  #next = 0;
  readonly #most: number;
  readonly #startThread: () => void;
  #requested = 0;
  #failure: unknown;
  #closed = false;
  readonly #fail: (error: unknown) => void;

  /** `fail` is called once, with the first error of a thread; no job is answered after it. */
  constructor(options: BlockPoolOptions, fail: (error: unknown) => void) {
    this.#slabs = options.slabs;
    this.#fail = fail;
    const { algorithm, level, blockBytes } = options;
    const data: BlockThreadData = { memory: options.slabs.memory, algorithm, level, blockBytes };
    this.#most = options.threads;
    this.#startThread = () => {
      const thread = new Thread(import.meta.url, './block-worker', data, error => this.#stop(error));
      thread.onMessage((reply: BlockReply) => this.#finish(reply));
      this.#threads.push({ thread, running: 0 });
    };
    // The others when there is work for them: a small image is done before they would be up.
    this.#startThread();
  }

  get threads(): number {
    return this.#most;
  }

  /** Jobs submitted and not yet answered. */
  get pending(): number {
    return this.#queue.length - this.#head + this.#running.size;
  }

  /** `spans` as in BlockRequest; their memory must stay untouched until `done`. The blocks are at most a slab's payload together. */
  submit(spans: readonly number[], done: (result: BlockResult) => void): void {
    this.#queue.push({ spans, done, slab: -1 });
    this.#dispatch();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map(({ thread }) => thread.end()));
  }

  #dispatch(): void {
    const most = this.#most * jobsPerThread;
    // Counted anew each time: a request that is served at once has started a job.
    while (this.#requested + this.#running.size < most && this.#requested < this.#queue.length - this.#head) {
      this.#requested += 1;
      this.#slabs.request(
        () => 0,
        slab => {
          this.#requested -= 1;
          this.#start(slab);
        },
      );
    }
  }

  #start(slab: number): void {
    const job = this.#queue[this.#head++]!;
    if (this.#head > 256) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    job.slab = slab;
    if (this.#threads.length < this.#most && this.#threads.every(({ running }) => running > 0))
      this.#startThread();
    let thread = 0;
    for (let other = 1; other < this.#threads.length; other++) {
      if (this.#threads[other]!.running < this.#threads[thread]!.running) thread = other;
    }
    const id = this.#next++;
    this.#running.set(id, { job, thread });
    this.#threads[thread]!.running += 1;
    const request: BlockRequest = { kind: 'blocks', id, output: SlabPool.start(slab), spans: job.spans };
    this.#threads[thread]!.thread.post(request);
  }

  #finish({ id, lengths, error }: BlockReply): void {
    const { job, thread } = this.#running.get(id)!;
    this.#running.delete(id);
    this.#threads[thread]!.running -= 1;
    if (lengths === undefined) this.#stop(unpackError(error as PortableError));
    if (lengths === undefined || this.#failure !== undefined) return;
    this.#dispatch();
    try {
      job.done({ slab: job.slab, lengths });
    } catch (failure) {
      this.#stop(failure);
    }
  }

  #stop(error: unknown): void {
    if (this.#closed || this.#failure !== undefined) return;
    this.#failure = wrapErrno(error, 'cannot store a block');
    this.#fail(this.#failure);
  }
}
