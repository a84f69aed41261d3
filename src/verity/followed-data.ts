import { createHash } from 'node:crypto';
import { BlockHasher, readFully } from './block-hasher.ts';
import { VerityError } from './error.ts';
import { blockSize, digestSize, digestsPerBlock } from './layout.ts';
import { foldedSize } from './levels.ts';
import { createStepMemory, hashRange, stepBlocks } from './pass.ts';

/** What one hash block vouches for, in bytes: the least that is hashed again. */
const groupBytes = digestsPerBlock * blockSize;
export const stepBytes = stepBlocks * blockSize;

/** Read at a time for the digest of a file: few enough to be hashed out of the processor's cache. */
const readBytes = 256 * 1024;

/** A range of a file, in bytes; the second is where it ends. */
export type ByteRange = readonly [from: number, to: number];

export interface FollowedFiles {
  /** Descriptor of the file that is written. */
  readonly file: number;
  /** Descriptor of another one, which gets the lowest level of the tree, from its start; `undefined` if no tree is wanted. */
  readonly spool: number | undefined;
}

/**
 * The lowest level of the tree of a file that is being written, and the digests of that level's blocks. What is kept in memory is 64 KiB
 * for each GiB: of a range that was written again, whole groups of 128 blocks are hashed anew.
 */
export class FollowedData {
  readonly #files: FollowedFiles;
  readonly #isEnding: () => boolean;
  readonly #hasher = new BlockHasher(new Uint8Array());
  readonly #memory = createStepMemory();
  #folded = new Uint8Array(1024 * digestSize);
  /** So many groups, from the start of the file on, are hashed. */
  #groups = 0;

  /** `isEnding` is asked every few milliseconds, and ends all. */
  constructor(files: FollowedFiles, isEnding: () => boolean) {
    this.#files = files;
    this.#isEnding = isEnding;
  }

  /** Hashes what is whole below `position`, in steps. */
  advance(position: number): void {
    const end = Math.floor(position / stepBytes) * stepBytes;
    try {
      for (let at = this.#groups * groupBytes; at < end; at = this.#groups * groupBytes) {
        const length = stepBytes - (at % stepBytes);
        this.#hash(at, length, end);
        this.#groups = (at + length) / groupBytes;
      }
    } catch (error) {
      // It was taken back, and cut, before we heard of it: the rest comes later.
      if (!(error instanceof VerityError) || error.code !== 'conflict') throw error;
    }
  }

  /** Forgets all from `position` on. */
  takeBack(position: number): void {
    this.#groups = Math.min(this.#groups, Math.floor(position / groupBytes));
  }

  /**
   * Hashes what is left of a file that has `size` bytes now, and again what was written again. Returns the digests of the
   * lowest level's blocks. May be called once more when the file has grown.
   */
  finish(size: number, rewritten: readonly ByteRange[]): Uint8Array {
    this.takeBack(size);
    const first = this.#groups * groupBytes;
    const groups = new Set<number>();
    for (const [from, to] of rewritten) {
      const end = Math.min(to, first);
      for (let group = Math.floor(from / groupBytes); group * groupBytes < end; group++) groups.add(group);
    }
    for (const group of groups) this.#hash(group * groupBytes, groupBytes, size);
    for (let at = first; at < size; at += stepBytes) this.#hash(at, stepBytes, size);
    this.#groups = Math.floor(size / groupBytes);
    return this.#folded.slice(0, foldedSize(size));
  }

  /** The sha256 of the first `size` bytes, as they are now, in hex. */
  digest(size: number): string {
    const hash = createHash('sha256');
    const memory = Buffer.allocUnsafe(Math.min(readBytes, size));
    for (let at = 0; at < size; at += readBytes) {
      if (this.#isEnding()) throw new VerityError('cancelled', 'cancelled');
      const wanted = Math.min(readBytes, size - at);
      if (readFully(this.#files.file, memory, wanted, at) < wanted) {
        throw new VerityError('conflict', 'a file became shorter while it was hashed', { hint: 'try again' });
      }
      hash.update(memory.subarray(0, wanted));
    }
    return hash.digest('hex');
  }

  /** `length` bytes from `position` on, where a group begins; less if the file ends before, at `size`. */
  #hash(position: number, length: number, size: number): void {
    if (this.#isEnding()) throw new VerityError('cancelled', 'cancelled');
    const { file, spool } = this.#files;
    this.#reserve(foldedSize(Math.min(position + length, size)));
    const pass = {
      source: file,
      sourcePosition: 0,
      size,
      target: spool,
      targetPosition: 0,
      folded: this.#folded,
    };
    hashRange(pass, position / blockSize, this.#hasher, this.#memory, length / blockSize);
  }

  #reserve(length: number): void {
    if (length <= this.#folded.length) return;
    const larger = new Uint8Array(Math.max(length, 2 * this.#folded.length));
    larger.set(this.#folded);
    this.#folded = larger;
  }
}
