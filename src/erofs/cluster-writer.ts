import { type BlockPool, SlabPool, slabBytes, zeroSpan } from '../bytes/pool/index.ts';
import { ClusterFile, type ClusterFileOptions } from './cluster-file.ts';
import type { FileData } from './data.ts';
import type { ContentWriter } from './data-writer.ts';
import { ErofsError } from './error.ts';
import type { Segment } from './file-layout.ts';
import { PlainFile, planFile } from './plain-file.ts';

export interface ClusterWriterOptions extends ClusterFileOptions {
  /** Of the same algorithm; its blocks have `extentBytes` at most. */
  readonly pool: BlockPool;
}

/** What a job stored, and how far its lengths and bytes were taken. */
interface Stored {
  readonly lengths: readonly number[];
  block: number;
  offset: number;
}

/** Extents on their way to the pool, with what has to happen, in this order, once they are stored. */
interface Batch {
  readonly spans: number[];
  rawBytes: number;
  readonly commits: ((stored: Stored) => void)[];
  result: { readonly slab: number; readonly lengths: readonly number[] } | undefined;
}

/** Extents of one file: each is two numbers in memory until the end. */
const mostExtents = 2 ** 26;
/** Jobs that wait for a thread; with fewer, all threads are still at work when the next come. */
const mostPending = 64;

/**
 * Cuts files into extents, has them compressed in threads and stores them in the order in which files were given, whatever the
 * threads do. Files of one block, and sparse ones, are stored as they are: the former could not save a block, and an index of
 * extents has no holes. Nothing is compared: equal files are stored as often as they come.
 */
export class ClusterWriter implements ContentWriter {
  readonly #options: ClusterWriterOptions;
  readonly #slabs: SlabPool;
  #files: FileData[] = [];
  #id = -1;

  /** The open file: one of the two. */
  #plain: (() => PlainFile) | undefined;
  #cluster: ClusterFile | undefined;
  /** Spans of the extent that is being filled, and its length so far. */
  #spans: number[] = [];
  #filled = 0;

  #batch: Batch = emptyBatch();
  #committing: Batch[] = [];
  #waiting: (() => void)[] = [];

  constructor(options: ClusterWriterOptions) {
    this.#options = options;
    this.#slabs = options.slabs;
  }

  begin(id: number, size: number, segments?: readonly Segment[]): void {
    const { log, tails, extentBytes } = this.#options;
    this.#id = id;
    const plan = planFile(size, segments, log.blockBytes);
    if (size > log.blockBytes && plan.chunks === undefined) {
      if (size / extentBytes > mostExtents) {
        throw new ErofsError('unsupported', `a file of ${size} bytes has more than ${mostExtents} extents`, {
          detail: { size, extentBytes },
          hint: 'give a larger --block-size, or --compression none',
        });
      }
      this.#cluster = new ClusterFile(this.#options, size);
      return;
    }
    // Its place is known once all before it is stored.
    let file: PlainFile | undefined;
    this.#plain = () => {
      file ??= new PlainFile(log, tails, this.#slabs, size, plan);
      return file;
    };
  }

  /** The next bytes of the file, in slab memory; kept there, by reference, until they are stored. */
  data(offset: number, length: number): void {
    if (this.#cluster === undefined) {
      const plain = this.#plain!;
      const slab = SlabPool.of(offset);
      this.#slabs.retain(slab);
      this.#add(length, () => {
        plain().data(offset, length);
        this.#slabs.release(slab);
      });
      return;
    }
    for (let at = 0; at < length; ) {
      const take = Math.min(length - at, this.#options.extentBytes - this.#filled);
      this.#slabs.retain(SlabPool.of(offset));
      this.#push(offset + at, take);
      at += take;
    }
  }

  hole(length: number): void {
    if (this.#cluster === undefined) {
      const plain = this.#plain!;
      this.#add(0, () => plain().hole(length));
      return;
    }
    for (let left = length; left > 0; ) {
      const take = Math.min(left, this.#options.extentBytes - this.#filled);
      this.#push(zeroSpan, take);
      left -= take;
    }
  }

  end(): void {
    const id = this.#id;
    if (this.#filled > 0) this.#cutExtent();
    const cluster = this.#cluster;
    const plain = this.#plain;
    this.#add(0, () => {
      this.#files[id] = cluster === undefined ? plain!().end() : cluster.end();
    });
    this.#cluster = undefined;
    this.#plain = undefined;
  }

  /** Resolves when another slab's worth of input may be given. */
  async ready(): Promise<void> {
    const { pool } = this.#options;
    // A batch holds the slabs that it was cut from: it must not wait for more input when the readers wait for slabs.
    if (pool.pending < 2 || this.#slabs.free <= this.#slabs.count / 2) this.#submit();
    while (pool.pending > mostPending) await this.#progress();
  }

  async finish(): Promise<readonly FileData[]> {
    this.#submit();
    while (this.#committing.length > 0) await this.#progress();
    this.#options.log.flush();
    return this.#files;
  }

  async restart(): Promise<void> {
    await this.finish();
    this.#files = [];
  }

  #push(offset: number, length: number): void {
    this.#spans.push(offset, length);
    this.#filled += length;
    if (this.#filled === this.#options.extentBytes) this.#cutExtent();
  }

  /** Puts the filled extent of the open file into the batch. */
  #cutExtent(): void {
    const cluster = this.#cluster!;
    const spans = this.#spans;
    const length = this.#filled;
    this.#spans = [];
    this.#filled = 0;
    // One block cannot become less.
    const packs = length > this.#options.log.blockBytes;
    this.#add(
      length,
      stored => {
        const size = packs ? stored.lengths[stored.block++]! : 0;
        cluster.extent(length, stored.offset, Math.max(0, size), spans);
        stored.offset += Math.abs(size);
        for (let span = 0; span < spans.length; span += 2) {
          if (spans[span] !== zeroSpan) this.#slabs.release(SlabPool.of(spans[span]!));
        }
      },
      packs ? spans : undefined,
    );
  }

  /** `spans` go to the pool, as one extent, before the commit. */
  #add(length: number, commit: (stored: Stored) => void, spans?: readonly number[]): void {
    if (this.#batch.rawBytes + length > slabBytes) this.#submit();
    this.#batch.rawBytes += length;
    this.#batch.commits.push(commit);
    if (spans === undefined) return;
    // Marked, for zeros are stored: an index of extents has no holes.
    this.#batch.spans.push(-spans.length / 2);
    // Not spread: a sparse file can have more pieces in an extent than a call can have arguments.
    for (const number of spans) this.#batch.spans.push(number);
  }

  #submit(): void {
    const batch = this.#batch;
    if (batch.commits.length === 0) return;
    this.#batch = emptyBatch();
    this.#committing.push(batch);
    if (batch.spans.length === 0) {
      batch.result = { slab: -1, lengths: [] };
      this.#commit();
      return;
    }
    this.#options.pool.submit(batch.spans, result => {
      batch.result = result;
      this.#commit();
    });
  }

  /** Commits the batches that are at the head of the line and stored. */
  #commit(): void {
    for (let batch = this.#committing[0]; batch?.result !== undefined; batch = this.#committing[0]) {
      this.#committing.shift();
      const { slab, lengths } = batch.result;
      const stored = { lengths, block: 0, offset: slab < 0 ? 0 : SlabPool.start(slab) };
      for (const commit of batch.commits) commit(stored);
      // The job's slab, and those that the files came in, are free once what they hold is written.
      this.#options.log.flush();
      if (slab >= 0) this.#slabs.release(slab);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  #progress(): Promise<void> {
    return new Promise(go => this.#waiting.push(go));
  }
}

function emptyBatch(): Batch {
  return { spans: [], rawBytes: 0, commits: [], result: undefined };
}
