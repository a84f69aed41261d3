import { closeSync, ftruncateSync, readSync } from 'node:fs';
import type { TailStore } from '../../erofs/plain-file.ts';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import { writeAll } from '../../host/index.ts';
import { openNameless } from './spool.ts';

/** What waits to be written, in bytes: of a small image, all. */
const bufferBytes = 1024 * 1024;
/** What is read at once, and how much of what was read is kept. Tails come in the order of layers and go in that of the tree. */
const windowBytes = 64 * 1024;
const mostWindows = 64;

/**
 * The ends of files, one behind the other, until their inodes are written: in a file without a name, if they are more than a
 * buffer holds. Written in large pieces, read through windows; memory is 5 MiB at most, whatever their number.
 */
export class TailSpool implements TailStore, Disposable {
  readonly #directory: string;
  /** -1 while there is none. */
  #file = -1;
  /** What is in the file; what follows is in the buffer. */
  #written = 0;
  readonly #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #filled = 0;
  /** By number, the one used last at the end. */
  readonly #windows = new Map<number, Buffer>();

  /** `directory` has to have room for all tails. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get position(): number {
    return this.#written + this.#filled;
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#filled === bufferBytes) this.#spill();
      const take = Math.min(bytes.length - at, bufferBytes - this.#filled);
      this.#buffer.set(bytes.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
    }
  }

  /** Fills `target` with what begins at `position`. Nothing is appended any more. */
  read(position: number, target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const at = position + done;
      const source = at < this.#written ? this.#window(at) : this.#rest(at);
      const take = Math.min(target.length - done, source.length);
      if (take === 0) throw new ShaleError('internal', `the end of a file is asked for that is not there`);
      target.set(source.subarray(0, take), done);
      done += take;
    }
  }

  restart(): void {
    this.#written = 0;
    this.#filled = 0;
    this.#windows.clear();
    if (this.#file >= 0) this.#attempt('cut', () => ftruncateSync(this.#file, 0));
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #spill(): void {
    if (this.#file < 0) this.#file = openNameless(this.#directory);
    this.#attempt('write', () => writeAll(this.#file, this.#buffer.subarray(0, this.#filled), this.#written));
    this.#written += this.#filled;
    this.#filled = 0;
  }

  #rest(position: number): Buffer {
    return this.#buffer.subarray(position - this.#written, this.#filled);
  }

  /** What a window has from `position` on. */
  #window(position: number): Buffer {
    const number = Math.floor(position / windowBytes);
    let window = this.#windows.get(number);
    if (window === undefined) window = this.#load(number);
    else this.#windows.delete(number);
    this.#windows.set(number, window);
    return window.subarray(position % windowBytes);
  }

  #load(number: number): Buffer {
    const [oldest] = this.#windows.keys();
    const spare = this.#windows.size < mostWindows ? undefined : this.#windows.get(oldest!);
    if (spare !== undefined) this.#windows.delete(oldest!);
    // Spills are whole windows.
    const window = spare ?? Buffer.allocUnsafeSlow(windowBytes);
    for (let done = 0; done < windowBytes; ) {
      const count = this.#attempt('read', () =>
        readSync(this.#file, window, done, windowBytes - done, number * windowBytes + done),
      );
      if (count === 0) throw new ShaleError('internal', `the temporary file in ${this.#directory} was cut`);
      done += count;
    }
    return window;
  }

  #attempt<T>(verb: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw wrapErrno(error, `cannot ${verb} a temporary file in ${this.#directory}`);
    }
  }
}
