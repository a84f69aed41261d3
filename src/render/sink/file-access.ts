import { readSync } from 'node:fs';
import type { RandomAccess } from '../../bytes/random-access.ts';
import { wrapErrno } from '../../error/index.ts';
import { type AtomicFile, HostError, writePieces } from '../../host/index.ts';
import type { Measured } from '../../verity/index.ts';

/** So many written bytes are left to the page cache before the disk is told to begin. */
const writebackBytes = 16 * 1024 * 1024;
const nothing = new Uint8Array(0);

/** An image on its way. Whoever writes through its descriptor tells `wrote`, where it wants to know. */
export interface ImageFile extends AtomicFile {
  wrote?(position: number, length: number): void;
  /** Its hashes, once it is committed, if they were computed. */
  readonly measured?: Measured | undefined;
}

/** What AtomicFile lacks to be written and read anywhere; it also gets the disk going early, so that fsync is short. */
export function fileAccess(file: ImageFile): RandomAccess {
  let started = 0;
  return {
    writeAt(position, chunks) {
      const end = chunks.reduce((at, { length }) => at + length, position);
      // Throws if the file is closed, and lets it know its size.
      file.writeAt(nothing, end);
      try {
        writePieces(file.fd, chunks, position);
      } catch (error) {
        throw wrapErrno(error, `cannot write ${file.path}`);
      }
      file.wrote?.(position, end - position);
      if (end - started < writebackBytes) return;
      file.startWriteback(position);
      started = position;
    },
    readAt(position, target) {
      for (let done = 0; done < target.length; ) {
        const count = readSync(file.fd, target, done, target.length - done, position + done);
        if (count === 0)
          throw new HostError('internal', `${file.path} is shorter than what was written to it`);
        done += count;
      }
    },
  };
}

/** Collects small pieces, of which tables consist, into few writes. */
export class Appender {
  readonly #file: AtomicFile;
  #position: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(file: AtomicFile, position: number) {
    this.#file = file;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    this.#position += bytes.length;
    if (this.#bytes > writebackBytes) this.flush();
  }

  flush(): void {
    this.#file.writeAt(Buffer.concat(this.#pieces), this.#position - this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
  }
}
