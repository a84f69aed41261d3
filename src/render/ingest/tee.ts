import { closeSync, openSync } from 'node:fs';
import { wrapErrno } from '../../error/index.ts';
import { writeAll } from '../../host/index.ts';
import { Writeback } from './writeback.ts';

/** Where an ingest thread puts the uncompressed layer as it is: a file that exists and is empty. */
export interface TeeTarget {
  readonly path: string;
  /**
   * Zeros fill the file up to a multiple of this many bytes; 512 at the least is what the kernel needs to read all of an
   * archive that was cut behind its last byte of data. The diffID is that of the bytes before them.
   */
  readonly blockBytes: number;
}

/** Writes a layer's uncompressed bytes into a file, in the order in which they come. What is there of it when reading fails is the caller's to remove. */
export class Tee implements Disposable {
  readonly #target: TeeTarget;
  readonly #file: number;
  readonly #writeback: Writeback;
  #position = 0;

  constructor(target: TeeTarget) {
    this.#target = target;
    try {
      this.#file = openSync(target.path, 'r+');
    } catch (error) {
      throw wrapErrno(error, `cannot open ${target.path}`);
    }
    this.#writeback = new Writeback(this.#file);
  }

  /** How far, in bytes. */
  get written(): number {
    return this.#position;
  }

  write(bytes: Uint8Array): void {
    try {
      writeAll(this.#file, bytes, this.#position);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.#target.path}`);
    }
    this.#position += bytes.length;
    this.#writeback.wrote(this.#position);
  }

  /** How many zeros belong behind `size` bytes. */
  paddingOf(size: number): number {
    const { blockBytes } = this.#target;
    return (blockBytes - (size % blockBytes)) % blockBytes;
  }

  /** All bytes were written. */
  finish(): void {
    this.write(new Uint8Array(this.paddingOf(this.#position)));
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
