import { closeSync, ftruncateSync, openSync } from 'node:fs';
import type { ErofsOutput } from '../erofs/index.ts';
import { wrapErrno } from '../error/index.ts';
import { writeAll } from '../host/index.ts';

/** An image in a file that is there, and private to its writer: bytes are appended, the head comes last. */
export class ImageOutput implements ErofsOutput, Disposable {
  readonly #path: string;
  readonly #file: number;
  #position: number;

  /** `start`: where what is appended begins, in bytes. */
  constructor(path: string, start: number) {
    this.#path = path;
    this.#position = start;
    try {
      this.#file = openSync(path, 'r+');
    } catch (error) {
      throw wrapErrno(error, `cannot open ${path}`);
    }
  }

  get position(): number {
    return this.#position;
  }

  append(bytes: Uint8Array): void {
    this.#write(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** Puts the head where it belongs, and returns the image's size. */
  finish({ head, size }: { readonly head: Uint8Array; readonly size: number }): number {
    this.#write(head, 0);
    try {
      ftruncateSync(this.#file, size);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.#path}`);
    }
    return size;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #write(bytes: Uint8Array, position: number): void {
    try {
      writeAll(this.#file, bytes, position);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.#path}`);
    }
  }
}
