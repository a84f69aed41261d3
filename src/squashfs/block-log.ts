import type { RandomAccess } from '../bytes/random-access.ts';
import type { FileData, FragmentBlock } from './data.ts';
import { fingerprint, StoredFiles } from './stored-files.ts';

/** Bit 24 of a block's word: stored plain. */
export const plainFlag = 0x1000000;

/** A file whose blocks are being written; once `end` was called it says where they are. */
export interface OpenFile extends FileData {
  blocks: number[];
  readonly id: number;
  readonly size: number;
  start: number;
  storedBytes: number;
  sparse: number;
  fingerprint: number;
  fragment: { readonly index: number; readonly offset: number } | undefined;
}

/**
 * The data area of an image, appended to in one fixed order. A file that turns out to be stored already is taken back:
 * the position returns to its start, and what follows overwrites it.
 */
export class BlockLog {
  readonly fragments: FragmentBlock[] = [];
  readonly #output: RandomAccess;
  readonly #stored: StoredFiles;
  #position: number;
  /** Chunks that end at `#position` and are not written yet. */
  #unwritten: Uint8Array[] = [];
  #unwrittenBytes = 0;

  constructor(output: RandomAccess, start: number) {
    this.#output = output;
    this.#stored = new StoredFiles(output, () => this.flush());
    this.#position = start;
  }

  get position(): number {
    return this.#position;
  }

  /** `stored` must stay untouched until `flush`. */
  block(file: OpenFile, stored: Uint8Array, plain: boolean): void {
    if (file.storedBytes === 0) file.start = this.#position;
    file.blocks.push(plain ? stored.length + plainFlag : stored.length);
    file.storedBytes += stored.length;
    file.fingerprint = fingerprint(file.fingerprint, stored);
    this.#append(stored);
  }

  zeros(file: OpenFile, count: number, bytes: number): void {
    for (let block = 0; block < count; block++) file.blocks.push(0);
    file.sparse += bytes;
  }

  fragment(index: number, stored: Uint8Array, plain: boolean): void {
    this.fragments[index] = {
      start: this.#position,
      size: plain ? stored.length + plainFlag : stored.length,
    };
    this.#append(stored);
  }

  /** All blocks of the file were given, and nothing else since its first. */
  end(file: OpenFile): void {
    if (file.storedBytes === 0) return;
    const earlier = this.#stored.earlier(file);
    if (earlier === undefined) return;
    this.#position = file.start;
    file.start = earlier.start;
    file.blocks = earlier.blocks;
  }

  flush(): void {
    if (this.#unwritten.length === 0) return;
    this.#output.writeAt(this.#position - this.#unwrittenBytes, this.#unwritten);
    this.#unwritten = [];
    this.#unwrittenBytes = 0;
  }

  /** Blocks of one job lie one behind the other in memory: they become one chunk, and one write. */
  #append(stored: Uint8Array): void {
    const last = this.#unwritten.at(-1);
    if (
      last !== undefined &&
      last.buffer === stored.buffer &&
      last.byteOffset + last.length === stored.byteOffset
    ) {
      const joined = new Uint8Array(last.buffer, last.byteOffset, last.length + stored.length);
      this.#unwritten[this.#unwritten.length - 1] = joined;
    } else {
      this.#unwritten.push(stored);
    }
    this.#unwrittenBytes += stored.length;
    this.#position += stored.length;
  }
}
