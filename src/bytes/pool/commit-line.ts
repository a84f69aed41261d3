import type { BlockPool, BlockResult } from './block-pool.ts';
import { SlabPool, slabBytes } from './slab-pool.ts';

export interface CommitLineOptions {
  readonly pool: Pick<BlockPool, 'pending' | 'submit'>;
  readonly slabs: SlabPool;
  /** Called behind each batch's commits; then what they were given may be overwritten. */
  readonly flush: () => void;
}

/** A block as it was stored, in slab memory: |`size`| bytes, negative when stored plain; 0: all zeros, and nothing was stored. */
export interface StoredBlock {
  readonly offset: number;
  readonly size: number;
}

/** Blocks on their way to the pool, with what has to happen, in this order, once they are stored. */
interface Batch {
  readonly spans: number[];
  rawBytes: number;
  readonly commits: ((stored: Stored) => void)[];
  result: BlockResult | undefined;
}

/** Jobs that wait for a thread; with fewer, all threads are still at work when the next come. */
const mostPending = 64;

/**
 * Has blocks compressed in threads, a slab's payload at once, and calls what belongs to each in the order in which it was added,
 * whatever the threads do. Spans are as in BlockRequest; who adds them retains their slabs until the commit.
 */
export class CommitLine {
  readonly #options: CommitLineOptions;
  #batch: Batch = emptyBatch();
  #committing: Batch[] = [];
  #waiting: (() => void)[] = [];

  constructor(options: CommitLineOptions) {
    this.#options = options;
  }

  /** `length`: of the slab memory that the commit keeps, in bytes, a slab's payload at most. */
  add(length: number, commit: () => void): void {
    this.#add(length, commit);
  }

  /** A block that is all zeros is stored like any other, or said to be of size 0. It has a slab's payload at most. */
  addBlock(
    spans: readonly number[],
    length: number,
    zeros: 'stored' | 'omitted',
    commit: (block: StoredBlock) => void,
  ): void {
    this.#add(length, stored => commit(stored.next()));
    const count = spans.length / 2;
    this.#batch.spans.push(zeros === 'stored' ? -count : count);
    // Not spread: a sparse file can have more pieces in a block than a call can have arguments.
    for (const number of spans) this.#batch.spans.push(number);
  }

  /** To be called between a slab's worth of input; then `room`. */
  submitWhenIdle(): void {
    const { pool, slabs } = this.#options;
    // A batch holds the slabs that it was cut from: it must not wait for more input when the readers wait for slabs.
    if (pool.pending < 2 || slabs.free <= slabs.count / 2) this.#submit();
  }

  /** Resolves when another slab's worth of input may be given. */
  async room(): Promise<void> {
    while (this.#options.pool.pending > mostPending) await this.#progress();
  }

  /** Resolves when all is committed and flushed. */
  async finish(): Promise<void> {
    this.#submit();
    while (this.#committing.length > 0) await this.#progress();
  }

  #add(length: number, commit: (stored: Stored) => void): void {
    if (this.#batch.rawBytes + length > slabBytes) this.#submit();
    this.#batch.rawBytes += length;
    this.#batch.commits.push(commit);
  }

  #submit(): void {
    const batch = this.#batch;
    if (batch.commits.length === 0) return;
    this.#batch = emptyBatch();
    this.#committing.push(batch);
    const done = (result: BlockResult) => {
      batch.result = result;
      this.#commit();
    };
    if (batch.spans.length === 0) done({ slab: -1, lengths: [] });
    else this.#options.pool.submit(batch.spans, done);
  }

  /** Commits the batches that are at the head of the line and stored. */
  #commit(): void {
    const { slabs, flush } = this.#options;
    for (let batch = this.#committing[0]; batch?.result !== undefined; batch = this.#committing[0]) {
      this.#committing.shift();
      const stored = new Stored(batch.result);
      for (const commit of batch.commits) commit(stored);
      flush();
      const { slab } = batch.result;
      if (slab >= 0) slabs.release(slab);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  #progress(): Promise<void> {
    return new Promise(go => this.#waiting.push(go));
  }
}

/** Walks over what a job stored. */
class Stored {
  readonly #lengths: readonly number[];
  #block = 0;
  #offset: number;

  constructor({ slab, lengths }: BlockResult) {
    this.#lengths = lengths;
    this.#offset = SlabPool.start(slab);
  }

  next(): StoredBlock {
    const offset = this.#offset;
    const size = this.#lengths[this.#block++]!;
    this.#offset += Math.abs(size);
    return { offset, size };
  }
}

function emptyBatch(): Batch {
  return { spans: [], rawBytes: 0, commits: [], result: undefined };
}
