import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import { writeAll } from '../../host/index.ts';

/** A file without a name, in a directory of the caller's; it goes with its descriptor. */
export function openNameless(directory: string): number {
  try {
    const own = mkdtempSync(join(directory, '.shale-spool-'));
    const path = join(own, 'content');
    try {
      const file = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return file;
    } finally {
      rmdirSync(own);
    }
  } catch (error) {
    throw wrapErrno(error, `cannot create a temporary file in ${directory}`);
  }
}

/**
 * Contents by number in a file without a name: written one after the other, read in any order. Holes take no space. The
 * file goes with the process, however that ends.
 */
export class Spool implements Disposable {
  /** -1 once closed, so that no late call reaches a file that got the same number. */
  #file: number;
  readonly #directory: string;
  readonly #starts: number[] = [];
  #end = 0;

  /** `directory` has to have room for all contents. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#file = openNameless(directory);
  }

  begin(id: number): void {
    this.#starts[id] = this.#end;
  }

  append(chunk: Uint8Array): void {
    try {
      writeAll(this.#file, chunk, this.#end);
    } catch (error) {
      throw wrapErrno(error, `cannot write a temporary file in ${this.#directory}`);
    }
    this.#end += chunk.length;
  }

  hole(length: number): void {
    this.#end += length;
  }

  restart(): void {
    this.#starts.length = 0;
    this.#end = 0;
    ftruncateSync(this.#file, 0);
  }

  /** Makes a hole at the end readable; to be called when all contents are there. */
  settle(): void {
    ftruncateSync(this.#file, this.#end);
  }

  /** Fills `target` from `position` of content `id`. */
  read(id: number, position: number, target: Uint8Array): void {
    const start = this.#starts[id]! + position;
    for (let done = 0; done < target.length; ) {
      const count = readSync(this.#file, target, done, target.length - done, start + done);
      if (count === 0) throw new ShaleError('internal', `the temporary file in ${this.#directory} was cut`);
      done += count;
    }
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }
}
