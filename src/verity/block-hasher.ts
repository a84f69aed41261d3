import { hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { VerityError } from './error.ts';
import { algorithm, blockSize, digestSize } from './layout.ts';

/** So many blocks are read at once: few enough to be hashed out of the processor's cache. */
const chunkBlocks = 64;

/**
 * Hashes blocks, each behind the salt. Node's one-shot hash takes the two in one piece, and nothing is copied for
 * that: the salt is laid over the end of the block before, which has been hashed by then.
 */
export class BlockHasher {
  readonly #salt: Uint8Array;
  readonly #input: Buffer;
  /** Salt and block: made once, for making a view costs as much as a tenth of a hash. */
  readonly #views: readonly Buffer[];

  constructor(salt: Uint8Array) {
    this.#salt = salt;
    const memory = Buffer.allocUnsafeSlow(salt.length + chunkBlocks * blockSize);
    this.#input = memory.subarray(salt.length);
    this.#views = Array.from({ length: chunkBlocks }, (_, index) =>
      memory.subarray(index * blockSize, salt.length + (index + 1) * blockSize),
    );
  }

  /**
   * Writes the digests of all blocks in `length` bytes of a file to `out`, one after the other; a last block that is not whole
   * counts as filled up with zeros. VerityError `conflict` if the file ends before; throws as `fs` does.
   */
  hashFile(file: number, position: number, length: number, out: Uint8Array): void {
    for (let done = 0; done < length; done += chunkBlocks * blockSize) {
      const wanted = Math.min(chunkBlocks * blockSize, length - done);
      if (readFully(file, this.#input, wanted, position + done) < wanted) {
        throw new VerityError('conflict', 'a file became shorter while it was hashed', { hint: 'try again' });
      }
      this.#hashInput(wanted, out, done / blockSize);
    }
  }

  /** The same of blocks in memory. */
  hashBytes(bytes: Uint8Array, out: Uint8Array): void {
    for (let done = 0; done < bytes.length; done += chunkBlocks * blockSize) {
      const part = bytes.subarray(done, done + chunkBlocks * blockSize);
      this.#input.set(part);
      this.#hashInput(part.length, out, done / blockSize);
    }
  }

  /** `first`: the place of the first digest in `out`. */
  #hashInput(length: number, out: Uint8Array, first: number): void {
    const count = Math.ceil(length / blockSize);
    this.#input.fill(0, length, count * blockSize);
    const target = Buffer.from(out.buffer, out.byteOffset, out.length);
    for (let index = 0; index < count; index++) {
      const view = this.#views[index]!;
      view.set(this.#salt);
      // As a string of bytes: Node makes that in less time than a buffer.
      target.write(hash(algorithm, view, 'binary'), (first + index) * digestSize, digestSize, 'latin1');
    }
  }
}

/** Reads until `length` bytes are there or the file ends; returns how many there are. */
export function readFully(file: number, bytes: Uint8Array, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const read = readSync(file, bytes, done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}
