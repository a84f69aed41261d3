import type { SlabPool } from '../bytes/pool/index.ts';
import { type ChunkedData, type FileData, hole, type InlineData } from './data.ts';
import type { DataLog } from './data-log.ts';
import { FileLayout, type Segment } from './file-layout.ts';
import { inlineTail } from './placement.ts';

/** Keeps the ends of files until their inodes are written. */
export interface TailStore {
  /** Where the next byte goes. */
  readonly position: number;
  append(bytes: Uint8Array): void;
}

/** A file's end that lies behind its inode: where the TailStore has it. */
export interface StoredTail extends InlineData {
  readonly tail: number;
}

/** How a file is laid out that is stored as it is. */
export interface PlainPlan {
  /** Bytes of its blocks, whole blocks. */
  readonly blockBytes: number;
  /** Bytes behind the inode. */
  readonly tailBytes: number;
  /** Of a file with holes; positions are relative. */
  readonly chunks: ChunkedData | undefined;
}

/** `segments`: what a sparse file has (see FileLayout); holes too small to leave a chunk out are stored. */
export function planFile(
  size: number,
  segments: readonly Segment[] | undefined,
  blockBytes: number,
): PlainPlan {
  if (segments !== undefined && size > blockBytes) {
    const layout = new FileLayout(blockBytes, 0);
    const data = layout.place(size, segments);
    if (data.kind === 'chunked' && Array.prototype.includes.call(data.starts, hole)) {
      return { blockBytes: layout.end, tailBytes: 0, chunks: data };
    }
  }
  const tailBytes = inlineTail(size, blockBytes);
  return { blockBytes: wholeBlocks(size - tailBytes, blockBytes), tailBytes, chunks: undefined };
}

export function wholeBlocks(bytes: number, blockBytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

/**
 * A file that is stored as it is, from its first byte to its last: full blocks into the log, the end into the TailStore where
 * the plan says so. `data` and `hole` until the size is reached, then `end`.
 */
export class PlainFile {
  readonly #log: DataLog;
  readonly #tails: TailStore;
  readonly #memory: Uint8Array;
  readonly #plan: PlainPlan;
  readonly #size: number;
  readonly #bodyBytes: number;
  readonly #start: number;
  readonly #tail: number;
  #at = 0;

  constructor(log: DataLog, tails: TailStore, slabs: SlabPool, size: number, plan: PlainPlan) {
    this.#log = log;
    this.#tails = tails;
    this.#memory = slabs.bytes;
    this.#plan = plan;
    this.#size = size;
    this.#bodyBytes = size - plan.tailBytes;
    this.#start = log.reserve(plan.blockBytes);
    this.#tail = tails.position;
  }

  /** The next bytes, in slab memory. */
  data(offset: number, length: number): void {
    const { chunks } = this.#plan;
    const body = Math.min(length, Math.max(0, this.#bodyBytes - this.#at));
    if (chunks !== undefined) this.#chunked(chunks, offset, length);
    else if (body > 0) this.#log.span(this.#start + this.#at, offset, body);
    if (body < length) this.#tails.append(this.#memory.subarray(offset + body, offset + length));
    this.#at += length;
  }

  /** The next bytes are zeros: what is left out of the log reads so. */
  hole(length: number): void {
    const inTail = Math.min(length, this.#at + length - this.#bodyBytes);
    if (inTail > 0) this.#tails.append(new Uint8Array(inTail));
    this.#at += length;
  }

  end(): FileData {
    const { chunks, blockBytes, tailBytes } = this.#plan;
    const start = this.#start;
    if (chunks !== undefined) {
      const starts = (chunks.starts as Float64Array).map(at => (at === hole ? hole : start + at));
      return { ...chunks, starts };
    }
    if (tailBytes > 0) {
      const data: StoredTail = { kind: 'inline', start, tail: this.#tail };
      return data;
    }
    this.#log.zeros(start + this.#size, blockBytes - this.#size);
    return { kind: 'plain', start };
  }

  #chunked({ chunkBytes, starts }: ChunkedData, offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const at = this.#at + done;
      const take = Math.min(length - done, chunkBytes - (at % chunkBytes));
      const start = starts[Math.floor(at / chunkBytes)]!;
      if (start !== hole) this.#log.span(this.#start + start + (at % chunkBytes), offset + done, take);
      done += take;
    }
  }
}
