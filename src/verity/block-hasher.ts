import { hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { algorithm, blockSize, digestSize } from './layout.ts';

/** So many blocks are read at once: few enough to be hashed out of the processor's cache. */
const chunkBlocks = 64;

/**
 * Hashes blocks of a file, each behind the salt. Node's one-shot hash takes the two in one piece, and nothing is copied for
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
   * Writes the digests of `blocks` blocks to `out`, one after the other. Returns how many there are: fewer where the file
   * ends before. Throws as `fs` does.
   */
  hash(file: number, position: number, blocks: number, out: Buffer): number {
    for (let done = 0; done < blocks; done += chunkBlocks) {
      const wanted = Math.min(chunkBlocks, blocks - done);
      const length = readFully(file, this.#input, wanted * blockSize, position + done * blockSize);
      const count = Math.floor(length / blockSize);
      for (let index = 0; index < count; index++) {
        const view = this.#views[index]!;
        view.set(this.#salt);
        // As a string of bytes: Node makes that in less time than a buffer.
        out.write(hash(algorithm, view, 'binary'), (done + index) * digestSize, digestSize, 'latin1');
      }
      if (count < wanted) return done + count;
    }
    return blocks;
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
