import { closeSync, openSync, readSync } from 'node:fs';
import type { FileData } from '../../erofs/index.ts';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import { writeAll } from '../../host/index.ts';
import type { LayerFile } from '../../layer/index.ts';
import { offsetInTar } from './tar-chunks.ts';

const copyBytes = 1024 * 1024;

/** Copies sparse files out of tars into an image. */
export class TarCopy implements Disposable {
  readonly #path: string;
  readonly #image: number;
  readonly #buffer = Buffer.allocUnsafe(copyBytes);
  #copied = 0;

  /** Of a file that is there. */
  constructor(path: string) {
    this.#path = path;
    this.#image = open(path, 'r+');
  }

  /** Bytes so far. */
  get copied(): number {
    return this.#copied;
  }

  /** `data` says where the file belongs in the image, as `FileLayout` places it: chunks, and room for each that has data. */
  copy(tar: string, file: LayerFile, data: FileData): void {
    if (data.kind !== 'chunked' || file.segments === undefined) {
      throw new ShaleError('internal', 'a file without holes is not copied');
    }
    const { chunkBytes, starts } = data;
    const source = open(tar, 'r');
    try {
      let from = offsetInTar(file);
      for (const { offset, length } of file.segments) {
        for (let at = offset; at < offset + length; ) {
          const within = at % chunkBytes;
          const take = Math.min(copyBytes, offset + length - at, chunkBytes - within);
          const bytes = this.#buffer.subarray(0, take);
          read(tar, source, bytes, from);
          this.#write(bytes, starts[(at - within) / chunkBytes]! + within);
          at += take;
          from += take;
        }
      }
    } finally {
      closeSync(source);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#image);
  }

  #write(bytes: Uint8Array, position: number): void {
    try {
      writeAll(this.#image, bytes, position);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.#path}`);
    }
    this.#copied += bytes.length;
  }
}

function open(path: string, flags: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw wrapErrno(error, `cannot open ${path}`);
  }
}

function read(path: string, file: number, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.length; ) {
    let count: number;
    try {
      count = readSync(file, target, done, target.length - done, position + done);
    } catch (error) {
      throw wrapErrno(error, `cannot read ${path}`);
    }
    if (count === 0) throw new ShaleError('corrupt', `${path} is shorter than its layer says`);
    done += count;
  }
}
