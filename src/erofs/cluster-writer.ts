import { type BlockPool, CommitLine, SlabPool, zeroSpan } from '../bytes/pool/index.ts';
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

/** Extents of one file: each is two numbers in memory until the end. */
const mostExtents = 2 ** 26;

/**
 * Cuts files into extents, has them compressed in threads and stores them in the order in which files were given, whatever the
 * threads do. Files of one block, and sparse ones, are stored as they are: the former could not save a block, and an index of
 * extents has no holes. Nothing is compared: equal files are stored as often as they come.
 */
export class ClusterWriter implements ContentWriter {
  readonly #options: ClusterWriterOptions;
  readonly #slabs: SlabPool;
  readonly #line: CommitLine;
  #files: FileData[] = [];
  #id = -1;

  /** The open file: one of the two. */
  #plain: (() => PlainFile) | undefined;
  #cluster: ClusterFile | undefined;
  /** Spans of the extent that is being filled, and its length so far. */
  #spans: number[] = [];
  #filled = 0;

  constructor(options: ClusterWriterOptions) {
    this.#options = options;
    const { pool, slabs, log } = options;
    this.#slabs = slabs;
    this.#line = new CommitLine({ pool, slabs, flush: () => log.flush() });
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
      this.#line.add(length, () => {
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
      this.#line.add(0, () => plain().hole(length));
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
    this.#line.add(0, () => {
      this.#files[id] = cluster === undefined ? plain!().end() : cluster.end();
    });
    this.#cluster = undefined;
    this.#plain = undefined;
  }

  /** Resolves when another slab's worth of input may be given. */
  async ready(): Promise<void> {
    this.#line.submitWhenIdle();
    await this.#line.room();
  }

  async finish(): Promise<readonly FileData[]> {
    await this.#line.finish();
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
    const commit = (offset: number, size: number) => {
      cluster.extent(length, offset, Math.max(0, size), spans);
      this.#slabs.releaseSpans(spans);
    };
    // One block cannot become less.
    if (length <= this.#options.log.blockBytes) this.#line.add(length, () => commit(0, 0));
    // An index of extents has no holes.
    else this.#line.addBlock(spans, length, 'stored', ({ offset, size }) => commit(offset, size));
  }
}
