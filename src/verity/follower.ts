import { wrapErrno } from '../error/index.ts';
import { BlockHasher } from './block-hasher.ts';
import { hashBlock } from './data.ts';
import { VerityError } from './error.ts';
import { FollowThread } from './follow-thread.ts';
import type { ByteRange } from './followed-data.ts';
import { computeGeometry } from './geometry.ts';
import { blockSize } from './layout.ts';
import { foldLevels, type UpperLevels } from './levels.ts';
import { describe, type Measured } from './measure.ts';
import { LevelSpool } from './spool.ts';
import { finishTree, type VerityTree } from './tree.ts';

/** A file, and its path for messages. */
export interface OpenFile {
  readonly path: string;
  readonly fd: number;
}

export interface FollowOptions {
  /** Where the tree goes, if one is wanted: behind the data, or into an empty file, whose owner makes it durable. */
  readonly tree?: 'appended' | OpenFile | undefined;
  /** Hears of the first failure of the thread; `finish` rejects with it, too. */
  readonly fail?: ((error: unknown) => void) | undefined;
}

/** Of the file with its appended tree, if it has one; `rootHash` and `dataBlocks` are of what is in front of that. */
export interface Followed extends Measured {
  readonly tree: VerityTree | undefined;
}

/**
 * Hashes a file while it is written, on a thread of its own, so that its end is not the beginning of one more reading. Without a salt.
 * The result is that of `measureFile` or `createVerityTree`, whatever was announced when.
 *
 *     await using follower = new VerityFollower(file, { fail });    // an AtomicFile, for one
 *     …  follower.advance(position);
 *     const { rootHash, fsverity } = await follower.finish({ size: file.size, rewritten: [[0, 96]] });
 *
 * What was not announced is never read before `finish`. The file's descriptor stays open, and is not closed here, until the
 * follower is disposed. Takes about a MiB and 64 KiB for each GiB of data; for a tree also, until then, 8 MiB for each GiB of disk.
 */
export class VerityFollower implements AsyncDisposable {
  readonly #file: OpenFile;
  readonly #options: FollowOptions;
  readonly #spool: LevelSpool | undefined;
  readonly #thread: FollowThread;

  constructor(file: OpenFile, options: FollowOptions = {}) {
    this.#file = file;
    this.#options = options;
    if (options.tree !== undefined) this.#spool = new LevelSpool(file.path);
    this.#thread = new FollowThread({ file: file.fd, spool: this.#spool?.fd }, options.fail);
  }

  /** All in front of `position`, in bytes, is written, and will only change as `takeBack` and `finish` are told. Costs next to nothing. */
  advance(position: number): void {
    this.#thread.advance(position);
  }

  /** All from `position` on, in bytes, will be written again, or cut off. */
  takeBack(position: number): void {
    this.#thread.takeBack(position);
  }

  /**
   * The file is written, and has `size` bytes. `rewritten`: what was changed after it was announced, such as a superblock; in
   * bytes. Writes the tree, if one is wanted; whoever owns the file that it is in makes it durable. VerityError `invalid`
   * for a tree of no whole number of blocks; the failure of the thread.
   */
  async finish(end: { readonly size: number; readonly rewritten?: readonly ByteRange[] }): Promise<Followed> {
    const { tree: target } = this.#options;
    const { size, rewritten = [] } = end;
    try {
      const upper = await this.#hash(size, rewritten);
      const measured = describe(upper.rootHash.toString('hex'), size);
      if (target === undefined) return { ...measured, tree: undefined };
      if (target !== 'appended') return { ...measured, tree: this.#write(target, 0, measured, upper) };
      const tree = this.#write(this.#file, size, measured, upper);
      // For fs-verity, which is of the whole file; only the tree itself is left to hash.
      const total = computeGeometry(tree.dataBlocks, size).end;
      const { rootHash } = await this.#hash(total, []);
      const { fsverity } = describe(rootHash.toString('hex'), total);
      return { ...measured, size: total, fsverity, tree };
    } catch (error) {
      throw wrapErrno(error, `cannot hash ${this.#file.path}`);
    }
  }

  /** After `finish`: the sha256 of the first `size` bytes of the file, in hex, computed by the same thread. */
  async digest(size: number): Promise<string> {
    try {
      return await this.#thread.digest(size);
    } catch (error) {
      throw wrapErrno(error, `cannot hash ${this.#file.path}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.end();
    this.#spool?.[Symbol.dispose]();
  }

  async #hash(size: number, rewritten: readonly ByteRange[]): Promise<UpperLevels> {
    const salt = new Uint8Array();
    const none = Buffer.alloc(0);
    if (size === 0) return { rootHash: none, blocks: none };
    if (size <= blockSize) return { rootHash: hashBlock(this.#file.fd, 0, salt, size), blocks: none };
    return foldLevels(await this.#thread.finish(size, rewritten), new BlockHasher(salt));
  }

  #write({ path, fd }: OpenFile, hashOffset: number, measured: Measured, upper: UpperLevels): VerityTree {
    const { dataBlocks, size } = measured;
    if (dataBlocks === 0) {
      throw new VerityError(
        'invalid',
        `${this.#file.path} has ${size} bytes: a hash tree is made of whole blocks`,
        {
          detail: { path: this.#file.path, size, blockSize },
          hint: `pad it with zeros to a multiple of ${blockSize}`,
        },
      );
    }
    const lowest = computeGeometry(dataBlocks, hashOffset).levels[0];
    if (lowest !== undefined) this.#spool!.copyTo(fd, lowest.position, lowest.blocks * blockSize);
    return finishTree({ path, fd, hashOffset, dataBlocks, salt: new Uint8Array() }, upper);
  }
}
