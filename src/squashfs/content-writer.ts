import { BlockPool, SlabPool, slabBytes } from '../bytes/pool/index.ts';
import type { RandomAccess } from '../bytes/random-access.ts';
import { BlockWriter } from './block-writer.ts';
import type { SquashfsCompression } from './compressor.ts';
import type { FileData, FragmentBlock } from './data.ts';

export interface ContentWriterOptions {
  readonly output: RandomAccess;
  readonly start: number;
  readonly compression: SquashfsCompression;
  readonly level: number | undefined;
  readonly blockSize: number;
  readonly threads: number;
  /** Called now and then, a slab at a time: what it throws ends the work. */
  readonly check?: (() => void) | undefined;
}

/** Fills some of `target` with a file's bytes from `position` on, at least one, and says how many. */
export type ReadContent = (target: Uint8Array, position: number) => number;

/**
 * Slabs to read into beyond what must stay free for the writer and its threads (ARCHITECTURE, "Why it cannot
 * deadlock").
 */
const readAhead = 6;

/** Brings the contents of files into the data area of a squashfs image, a slab at a time: for writers that have their files at hand. */
export class ContentWriter implements AsyncDisposable {
  readonly #slabs: SlabPool;
  readonly #reserve: number;
  readonly #pool: BlockPool;
  readonly #blocks: BlockWriter;
  readonly #failed: Promise<never>;
  readonly #check: (() => void) | undefined;
  #slab = -1;
  #filled = 0;
  #count = 0;

  constructor(options: ContentWriterOptions) {
    const { compression, level, blockSize, threads, check } = options;
    this.#check = check;
    this.#reserve = BlockWriter.reserve + 2 * threads;
    this.#slabs = new SlabPool(this.#reserve + BlockWriter.reserve + 2 + readAhead);
    let fail!: (error: unknown) => void;
    this.#failed = new Promise((_, reject) => {
      fail = reject;
    });
    // It may fail while nobody waits.
    this.#failed.catch(() => {});
    const algorithm = compression === 'none' ? undefined : compression;
    this.#pool = new BlockPool(
      { slabs: this.#slabs, threads, algorithm, level, blockBytes: blockSize },
      fail,
    );
    this.#blocks = new BlockWriter({
      output: options.output,
      start: options.start,
      blockBytes: blockSize,
      packTails: true,
      slabs: this.#slabs,
      pool: this.#pool,
    });
  }

  /** Takes a file of `size` bytes; the number under which `finish` knows it. One at a time. */
  async take(size: number, read: ReadContent): Promise<number> {
    const number = this.#count++;
    this.#blocks.begin(number, size);
    for (let position = 0; position < size; ) {
      if (this.#slab < 0) await this.#takeSlab();
      const offset = SlabPool.start(this.#slab) + this.#filled;
      const most = Math.min(size - position, slabBytes - this.#filled);
      const length = read(this.#slabs.bytes.subarray(offset, offset + most), position);
      this.#blocks.data(offset, length);
      position += length;
      this.#filled += length;
      if (this.#filled === slabBytes) await this.#giveSlab();
    }
    this.#blocks.end();
    return number;
  }

  async finish(): Promise<{
    files: readonly FileData[];
    fragments: readonly FragmentBlock[];
    position: number;
  }> {
    if (this.#slab >= 0) await this.#giveSlab();
    return await this.#race(this.#blocks.finish());
  }

  async #takeSlab(): Promise<void> {
    // Room for the tails comes before what they are of.
    await this.#race(this.#blocks.ready());
    this.#check?.();
    const asked = new Promise<number>(give => this.#slabs.request(() => this.#reserve, give));
    this.#slab = await this.#race(asked);
    this.#filled = 0;
  }

  async #giveSlab(): Promise<void> {
    this.#slabs.release(this.#slab);
    this.#slab = -1;
    await this.#race(this.#blocks.ready());
  }

  #race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }
}
