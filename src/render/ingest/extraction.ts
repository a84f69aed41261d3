import { closeSync, openSync } from 'node:fs';
import { type FileData, hole } from '../../erofs/data.ts';
import { FileLayout, type Segment } from '../../erofs/file-layout.ts';
import { wrapErrno } from '../../error/index.ts';
import { writePieces } from '../../host/write.ts';
import { Writeback } from './writeback.ts';

/** Where an ingest thread puts the contents of a layer: a file that exists, from this position on, in blocks of this size. */
export interface ExtractionTarget {
  readonly path: string;
  readonly start: number;
  readonly blockBytes: number;
}

/**
 * Writes a layer's contents into a file, each where `FileLayout` places it, as they come out of the decompressor: without a
 * copy, in runs. Views that were handed over are used until `flush`, which is to be called for each slab's worth of input.
 */
export class Extraction implements Disposable {
  readonly #target: ExtractionTarget;
  readonly #layout: FileLayout;
  readonly #file: number;
  readonly #zeros: Uint8Array;
  readonly #writeback: Writeback;
  #data: FileData | undefined;
  #size = 0;
  #offset = 0;
  /** What was not written yet: it belongs at `#position`. */
  #views: Uint8Array[] = [];
  #position = 0;
  #length = 0;

  constructor(target: ExtractionTarget) {
    this.#target = target;
    this.#layout = new FileLayout(target.blockBytes, target.start);
    this.#zeros = new Uint8Array(target.blockBytes);
    try {
      this.#file = openSync(target.path, 'r+');
    } catch (error) {
      throw wrapErrno(error, `cannot open ${target.path}`);
    }
    this.#writeback = new Writeback(this.#file);
  }

  /** The next content; returns its place. */
  begin(size: number, segments: readonly Segment[] | undefined): FileData {
    const data = this.#layout.place(size, segments);
    this.#data = data;
    this.#size = size;
    this.#offset = 0;
    return data;
  }

  /** Where the next content would begin. */
  get end(): number {
    return this.#layout.end;
  }

  data(view: Uint8Array): void {
    const data = this.#data!;
    if (data.kind === 'plain') {
      this.#put(data.start + this.#offset, view);
      this.#offset += view.length;
      if (this.#offset === this.#size) this.#pad(data.start + this.#size);
      return;
    }
    if (data.kind !== 'chunked') return;
    const { chunkBytes, starts } = data;
    for (let at = 0; at < view.length; ) {
      const within = this.#offset % chunkBytes;
      const start = starts[Math.floor(this.#offset / chunkBytes)]!;
      const take = Math.min(view.length - at, chunkBytes - within);
      // A hole cannot be where a segment is: the layout was made of the same map.
      if (start !== hole) this.#put(start + within, view.subarray(at, at + take));
      at += take;
      this.#offset += take;
    }
  }

  /** Zeros: the file has them already, for nothing was written there. */
  hole(length: number): void {
    this.#offset += length;
  }

  /** All before it is written for good, in bytes. After `flush`. */
  get written(): number {
    return this.#position;
  }

  /** Writes what was handed over; views of it are free again. */
  flush(): void {
    const views = this.#views;
    if (views.length === 0) return;
    try {
      writePieces(this.#file, views, this.#position);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.#target.path}`);
    }
    this.#position += this.#length;
    this.#writeback.wrote(this.#position);
    this.#views = [];
    this.#length = 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #put(position: number, view: Uint8Array): void {
    if (this.#views.length > 0 && position !== this.#position + this.#length) this.flush();
    if (this.#views.length === 0) this.#position = position;
    this.#views.push(view);
    this.#length += view.length;
  }

  /** Fills the last block, so that the next content is in the same run. */
  #pad(end: number): void {
    const over = end % this.#target.blockBytes;
    if (over > 0) this.#put(end, this.#zeros.subarray(over));
  }
}
