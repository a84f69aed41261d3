import { SlabPool } from '../bytes/pool/index.ts';
import type { RandomAccess } from '../bytes/random-access.ts';
import { ErofsError } from './error.ts';

/** What waits to be written: enough that the calls do not count, and few slabs are retained. */
const mostBytes = 1024 * 1024;
/** Small files have two views each, of many times their bytes. */
const mostViews = 1000;
/** The format counts blocks in 32 bits, and keeps the last number for holes. */
const mostBlocks = 2 ** 32 - 1;

/**
 * The data area of an image while it grows, in whole blocks. What it is given is written later, from where it lies: views stay
 * untouched until `flush`, slabs are retained until then. What is reserved and never written reads as zeros.
 */
export class DataLog {
  readonly blockBytes: number;
  readonly #output: RandomAccess;
  readonly #slabs: SlabPool;
  readonly #start: number;
  #end: number;
  readonly #zeros: Uint8Array;
  /** One run that is not written yet: it belongs at `#position`. */
  #views: Uint8Array[] = [];
  #position = 0;
  #length = 0;
  #retained: number[] = [];

  /** `start`: a multiple of the block size, which is in bytes. Behind it `output` must read as zeros. */
  constructor(output: RandomAccess, slabs: SlabPool, start: number, blockBytes: number) {
    this.#output = output;
    this.#slabs = slabs;
    this.#start = start;
    this.#end = start;
    this.blockBytes = blockBytes;
    this.#zeros = new Uint8Array(blockBytes);
  }

  /** Where the data area ends: a multiple of the block size. */
  get end(): number {
    return this.#end;
  }

  /** Room for so many bytes, rounded up to blocks; returns its position. Throws `unsupported` where the format ends. */
  reserve(bytes: number): number {
    const start = this.#end;
    this.#end += Math.ceil(bytes / this.blockBytes) * this.blockBytes;
    if (this.#end / this.blockBytes > mostBlocks) {
      throw new ErofsError(
        'unsupported',
        `an EROFS image has at most ${mostBlocks} blocks, and this is more`,
        {
          detail: { blockSize: this.blockBytes },
          hint: 'compress it, or render it as a squashfs',
        },
      );
    }
    return start;
  }

  /** Bytes in slab memory. */
  span(position: number, offset: number, length: number): void {
    const slab = SlabPool.of(offset);
    this.#put(position, this.#slabs.bytes.subarray(offset, offset + length));
    if (this.#retained.at(-1) !== slab) {
      this.#slabs.retain(slab);
      this.#retained.push(slab);
    }
    this.#flushIfLarge();
  }

  bytes(position: number, view: Uint8Array): void {
    this.#put(position, view);
    this.#flushIfLarge();
  }

  /** Zeros, less than a block: so that what follows is in the same run. */
  zeros(position: number, length: number): void {
    if (length > 0) this.bytes(position, this.#zeros.subarray(0, length));
  }

  /** Writes what was given; the views are free again. */
  flush(): void {
    if (this.#views.length > 0) this.#output.writeAt(this.#position, this.#views);
    this.#drop();
  }

  /** Forgets everything; whoever calls it sees to it that `output` reads as zeros again. */
  restart(): void {
    this.#drop();
    this.#end = this.#start;
  }

  #put(position: number, view: Uint8Array): void {
    if (this.#views.length > 0 && position !== this.#position + this.#length) this.flush();
    if (this.#views.length === 0) this.#position = position;
    this.#views.push(view);
    this.#length += view.length;
  }

  #flushIfLarge(): void {
    if (this.#length >= mostBytes || this.#views.length >= mostViews) this.flush();
  }

  #drop(): void {
    const retained = this.#retained;
    this.#views = [];
    this.#length = 0;
    this.#retained = [];
    for (const slab of retained) this.#slabs.release(slab);
  }
}
