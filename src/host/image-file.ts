import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ImageSource } from '../bytes/image-source.ts';
import { ShaleError } from '../error/index.ts';

/** A file to read an image from, by descriptor. Throws as `fs` does. */
export class ImageFile implements ImageSource, Disposable {
  readonly size: number;
  readonly #path: string;
  readonly #file: number;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'r');
    this.size = fstatSync(this.#file).size;
  }

  readAt(position: number, target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const count = readSync(this.#file, target, done, target.length - done, position + done);
      if (count === 0) throw new ShaleError('conflict', `${this.#path} was cut while it was read`);
      done += count;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
