import { type SlabPool, Thread } from '../../bytes/pool/index.ts';
import type { BlobLocation } from '../../content/index.ts';
import { unpackError } from '../../error/index.ts';
import { digestAlgorithm } from '../../oci/index.ts';
import { HashLine } from './hash-line.ts';
import type {
  HashStart,
  HashThreadData,
  IngestBatch,
  IngestEnd,
  IngestReply,
  IngestRequest,
  IngestThreadData,
  SlabGrant,
} from './protocol.ts';

/** One layer on its way: its batches in stream order, then its end. */
export interface LayerReading {
  readonly layer: number;
  /** The next batch; undefined once the layer has ended well, and then `end` is there. Its slab is the caller's to release. */
  next(): Promise<IngestBatch | undefined>;
  readonly end: IngestEnd | undefined;
}

export interface IngestPoolOptions {
  readonly slabs: SlabPool;
  readonly threads: number;
  /** Threads that may be had beside those: each computes the diffIDs of what one of them decompresses. */
  readonly hashers: number;
  /** Slabs that must stay free for those who empty the readers' slabs: compressors and fragments. */
  readonly reserve: number;
}

/** Slabs that a thread is granted or was promised, beyond those in its batches: one to fill, one after it. */
const slabsAhead = 2;

/** A thread for less is up when the layer has been read. In bytes. */
const leastShared = 8 * 1024 * 1024;

/**
 * Threads that read layers. Layers are started in the order given, the newest first. The earliest that has not ended may
 * take every slab but the reserve; those behind it read ahead only while plenty are free. So the line always moves.
 */
export class IngestPool {
  readonly #options: IngestPoolOptions;
  readonly #threads: Reader[] = [];
  readonly #queue: Reading[] = [];
  /** Started and not ended, in the order of their start. */
  readonly #active: Reading[] = [];
  readonly #fail: (error: unknown) => void;
  #closed = false;

  /** `fail` is called with the first error, of a layer or of a thread. */
  constructor(options: IngestPoolOptions, fail: (error: unknown) => void) {
    this.#options = options;
    this.#fail = fail;
    const data: IngestThreadData = { memory: options.slabs.memory };
    for (let index = 0; index < options.threads; index++) {
      const worker = new Thread(import.meta.url, './worker', data, fail);
      const thread: Reader = { worker, reading: undefined, slabs: 0, hasher: undefined };
      worker.onMessage((reply: IngestReply) => this.#receive(thread, reply));
      this.#threads.push(thread);
    }
  }

  /** `blob` may still be sought, or waited for: that holds up this layer's thread alone. */
  read(request: Omit<IngestRequest, 'blob'>, blob: Promise<BlobLocation>): LayerReading {
    // It is awaited once a thread is there; until then a failure is not one that nobody handles.
    blob.catch(() => {});
    const reading = new Reading(request, blob);
    this.#queue.push(reading);
    this.#start();
    return reading;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.flatMap(({ worker, hasher }) => [worker.end(), hasher?.thread.end()]));
  }

  #start(): void {
    for (const thread of this.#threads) {
      if (thread.reading !== undefined) continue;
      const reading = this.#queue.shift();
      if (reading === undefined) return;
      thread.reading = reading;
      this.#active.push(reading);
      reading.blob.then(
        blob => thread.worker.post(this.#shareWork(thread, { ...reading.request, blob })),
        error => this.#fail(error),
      );
      this.#supply(thread);
    }
  }

  /**
   * Has a layer hashed by another thread, if there may be one and it is worth it. Contents that are handed on lie in slabs
   * that are no longer the reader's: then it hashes itself.
   */
  #shareWork(thread: Reader, request: IngestRequest): IngestRequest {
    // A blob may be found when all is over.
    if (this.#closed || request.data || request.blob.size < leastShared) return request;
    const count = this.#threads.filter(({ hasher }) => hasher !== undefined).length;
    if (thread.hasher === undefined && count < this.#options.hashers) {
      const line = new HashLine().memory;
      const data: HashThreadData = { memory: this.#options.slabs.memory, line };
      thread.hasher = { thread: new Thread(import.meta.url, './hash-worker', data, this.#fail), line };
    }
    if (thread.hasher === undefined) return request;
    const algorithm = digestAlgorithm(request.diffId);
    thread.hasher.thread.post({ kind: 'start', algorithm } satisfies HashStart);
    return { ...request, hashLine: thread.hasher.line };
  }

  #receive(thread: Reader, reply: IngestReply): void {
    const reading = thread.reading!;
    if (reply.kind === 'failure') {
      this.#fail(unpackError(reply.error));
      return;
    }
    if (reply.kind === 'batch') {
      reading.deliver(reply);
      if (reply.slab !== undefined) thread.slabs -= 1;
      this.#supply(thread);
      return;
    }
    reading.finish(reply);
    thread.reading = undefined;
    this.#active.splice(this.#active.indexOf(reading), 1);
    this.#start();
    // Another layer is the earliest now, and what it waits for may be free.
    this.#options.slabs.serve();
  }

  #supply(thread: Reader): void {
    while (thread.slabs < slabsAhead) {
      thread.slabs += 1;
      this.#options.slabs.request(
        () => this.#reserve(thread),
        slab => thread.worker.post({ kind: 'slab', slab } satisfies SlabGrant),
      );
    }
  }

  #reserve({ reading }: Reader): number {
    const { slabs, reserve } = this.#options;
    return reading === this.#active[0] ? reserve : Math.ceil((reserve + slabs.count) / 2);
  }
}

interface Reader {
  readonly worker: Thread;
  reading: Reading | undefined;
  /** Slabs it holds, and those it was promised. */
  slabs: number;
  hasher: { readonly thread: Thread; readonly line: SharedArrayBuffer } | undefined;
}

class Reading implements LayerReading {
  readonly request: Omit<IngestRequest, 'blob'>;
  readonly blob: Promise<BlobLocation>;
  end: IngestEnd | undefined;
  readonly #batches: IngestBatch[] = [];
  #wake: (() => void) | undefined;

  constructor(request: Omit<IngestRequest, 'blob'>, blob: Promise<BlobLocation>) {
    this.request = request;
    this.blob = blob;
  }

  get layer(): number {
    return this.request.layer;
  }

  deliver(batch: IngestBatch): void {
    this.#batches.push(batch);
    this.#wake?.();
  }

  finish(end: IngestEnd): void {
    this.end = end;
    this.#wake?.();
  }

  async next(): Promise<IngestBatch | undefined> {
    while (this.#batches.length === 0 && this.end === undefined) {
      await new Promise<void>(wake => {
        this.#wake = wake;
      });
    }
    return this.#batches.shift();
  }
}
