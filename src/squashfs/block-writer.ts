import { hash } from 'node:crypto';
import {
  type BlockPool,
  CommitLine,
  SlabPool,
  type StoredBlock,
  slabBytes,
  zeroSpan,
} from '../bytes/pool/index.ts';
import type { RandomAccess } from '../bytes/random-access.ts';
import { BlockLog, type OpenFile } from './block-log.ts';
import type { FileData, FragmentBlock } from './data.ts';
import { SquashfsError } from './error.ts';

export interface BlockWriterOptions {
  readonly output: RandomAccess;
  /** Where the data area starts, in bytes. */
  readonly start: number;
  readonly blockBytes: number;
  /** false: a file's tail is a short block of its own. */
  readonly packTails: boolean;
  readonly slabs: SlabPool;
  readonly pool: BlockPool;
}

/** Blocks of one file: each is a word in memory until the end. At 128 KiB a block, 8 TiB. */
const mostBlocks = 2 ** 26;

/** One batch's tails can need so many new slabs at most (every fragment block at least half full, rounded up twice). */
const fragmentSlabs = 3;

/**
 * The data area of an image: cuts files into blocks, packs tails into fragment blocks, has them compressed in threads
 * and commits them in the order in which files were given, whatever the threads do. Files come one at a time:
 * `begin`, then `data` and `hole` until its size is reached, then `end`. `await ready()` between a slab's worth of input.
 */
export class BlockWriter {
  readonly #options: BlockWriterOptions;
  readonly #slabs: SlabPool;
  readonly #memory: Buffer;
  readonly #line: CommitLine;
  #log: BlockLog;
  #files: OpenFile[] = [];
  #tails = new Map<string, { readonly index: number; readonly offset: number }>();

  #file: OpenFile | undefined;
  /** Spans of the block that is being filled, and its length so far. */
  #spans: number[] = [];
  #filled = 0;

  /** The fragment block that is being filled, in a slab of our own. */
  #fragment = { slab: -1, start: 0, length: 0, index: 0 };
  readonly #spare: number[] = [];

  constructor(options: BlockWriterOptions) {
    this.#options = options;
    const { pool, slabs } = options;
    this.#slabs = slabs;
    this.#memory = Buffer.from(slabs.memory);
    this.#line = new CommitLine({ pool, slabs, flush: () => this.#log.flush() });
    this.#log = new BlockLog(options.output, options.start);
  }

  /** Slabs that this writer may hold on to for fragments: so many must stay out of the readers' reach. */
  static readonly reserve = fragmentSlabs + 1;

  begin(id: number, size: number): void {
    if (size / this.#options.blockBytes > mostBlocks) {
      throw new SquashfsError('unsupported', `a file of ${size} bytes has more than ${mostBlocks} blocks`, {
        detail: { size, blockSize: this.#options.blockBytes },
        hint: 'give a larger --block-size',
      });
    }
    const none = { start: 0, storedBytes: 0, sparse: 0, fingerprint: 0, fragment: undefined };
    this.#file = { id, size, blocks: [], ...none };
  }

  /** The next bytes of the file, in slab memory; kept there, by reference, until they are compressed. */
  data(offset: number, length: number): void {
    for (let at = 0; at < length; ) {
      const take = Math.min(length - at, this.#options.blockBytes - this.#filled);
      this.#slabs.retain(SlabPool.of(offset));
      this.#push(offset + at, take);
      at += take;
    }
  }

  hole(length: number): void {
    const { blockBytes } = this.#options;
    while (length > 0) {
      if (this.#filled === 0 && length >= blockBytes) {
        const count = Math.floor(length / blockBytes);
        const file = this.#file!;
        this.#line.add(0, () => this.#log.zeros(file, count, count * blockBytes));
        length -= count * blockBytes;
        continue;
      }
      const take = Math.min(length, blockBytes - this.#filled);
      this.#push(zeroSpan, take);
      length -= take;
    }
  }

  end(): void {
    const file = this.#file!;
    this.#files[file.id] = file;
    // Holes cost the input nothing: packed, some records of sparse files would need more room than `ready` has seen to.
    if (this.#filled > 0 && (!this.#options.packTails || this.#spans.includes(zeroSpan))) this.#cutBlock();
    // Before the tail: packing it may cut a fragment block, which must not stand between the file's blocks and its end.
    if (this.#filled < file.size) this.#line.add(0, () => this.#log.end(file));
    if (this.#filled > 0) file.fragment = this.#packTail();
    this.#cutFragment(this.#options.blockBytes);
    this.#file = undefined;
  }

  /** Resolves when another slab's worth of input may be given. */
  async ready(): Promise<void> {
    this.#line.submitWhenIdle();
    // The pool must still get room for its output, or nothing that holds slabs would ever be done.
    const { threads } = this.#options.pool;
    while (this.#spare.length < fragmentSlabs) {
      this.#spare.push(await new Promise<number>(give => this.#slabs.request(() => threads, give)));
    }
    await this.#line.room();
  }

  /** Commits what is left. The image's tables may be written from `position` on. */
  async finish(): Promise<{
    files: readonly FileData[];
    fragments: readonly FragmentBlock[];
    position: number;
  }> {
    this.#cutFragment(0);
    await this.#line.finish();
    const { fragments, position } = this.#log;
    return { files: this.#files, fragments, position };
  }

  /** Forgets all that was written. */
  async restart(): Promise<void> {
    await this.finish();
    this.#log = new BlockLog(this.#options.output, this.#options.start);
    this.#files = [];
    this.#tails = new Map();
    this.#fragment.index = 0;
  }

  #push(offset: number, length: number): void {
    this.#spans.push(offset, length);
    this.#filled += length;
    const { blockBytes } = this.#options;
    if (this.#filled === blockBytes) this.#cutBlock();
  }

  /** Puts the filled block of the open file into the batch. */
  #cutBlock(): void {
    const file = this.#file!;
    const spans = this.#spans;
    const length = this.#filled;
    this.#spans = [];
    this.#filled = 0;
    this.#line.addBlock(spans, length, 'omitted', stored => {
      this.#slabs.releaseSpans(spans);
      if (stored.size === 0) this.#log.zeros(file, 1, length);
      else this.#log.block(file, this.#bytesOf(stored), stored.size < 0);
    });
  }

  /** Copies the tail behind those that already wait, unless the same bytes are there. */
  #packTail(): { readonly index: number; readonly offset: number } {
    const length = this.#filled;
    if (this.#fragment.length + length > this.#options.blockBytes) this.#cutFragment(0);
    const fragment = this.#fragment;
    if (fragment.slab < 0) {
      fragment.slab = this.#spare.pop()!;
      fragment.start = SlabPool.start(fragment.slab);
    }
    const start = fragment.start + fragment.length;
    let at = start;
    for (let span = 0; span < this.#spans.length; span += 2) {
      const offset = this.#spans[span]!;
      const size = this.#spans[span + 1]!;
      this.#memory.copyWithin(at, offset, offset + size);
      at += size;
    }
    this.#slabs.releaseSpans(this.#spans);
    this.#spans = [];
    this.#filled = 0;
    const key = hash('sha256', this.#memory.subarray(start, at), 'binary');
    const known = this.#tails.get(key);
    if (known !== undefined) return known;
    const place = { index: fragment.index, offset: fragment.length };
    this.#tails.set(key, place);
    fragment.length += length;
    return place;
  }

  /** Puts the fragment block into the batch if it has `least` bytes or more (and any at all). */
  #cutFragment(least: number): void {
    const { slab, start, length, index } = this.#fragment;
    if (length === 0 || length < least) return;
    const next = start + length;
    const roomy = next + this.#options.blockBytes <= SlabPool.start(slab) + slabBytes;
    if (roomy) this.#slabs.retain(slab);
    this.#fragment = { slab: roomy ? slab : -1, start: roomy ? next : 0, length: 0, index: index + 1 };
    this.#line.addBlock([start, length], length, 'stored', stored => {
      this.#slabs.release(slab);
      this.#log.fragment(index, this.#bytesOf(stored), stored.size < 0);
    });
  }

  #bytesOf({ offset, size }: StoredBlock): Uint8Array {
    return this.#memory.subarray(offset, offset + Math.abs(size));
  }
}
