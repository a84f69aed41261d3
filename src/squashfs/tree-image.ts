import { createBlockCompressor } from '../bytes/codec/block.ts';
import type { RandomAccess } from '../bytes/random-access.ts';
import type { Warnings } from '../error/index.ts';
import { mapContent, type Tree } from '../tree/index.ts';
import { compressorOptions, type SquashfsCompression } from './compressor.ts';
import { ContentWriter, type ReadContent } from './content-writer.ts';
import { emptyFile } from './data.ts';
import { superblockSize } from './layout.ts';
import { paddedSize, writeTables } from './table-writer.ts';

/** An empty file, which becomes the image. */
export interface TreeImageOutput extends RandomAccess {
  /** Cuts the file, or extends it with zeros, to `length` bytes. */
  truncate(length: number): void;
}

export interface TreeImageOptions {
  readonly compression: SquashfsCompression;
  readonly level: number | undefined;
  readonly blockSize: number;
  /** Threads that compress. */
  readonly threads: number;
  readonly warnings: Warnings;
  /** Called now and then: what it throws ends the work. */
  readonly check?: (() => void) | undefined;
}

const latest = 2 ** 32 - 1;

/**
 * Writes an image whose contents are at hand, one after the other: `take` each, then `finish` with a tree that knows them by
 * number. The bytes follow from the tree, the contents and their order. Not synced.
 */
export class TreeImage implements AsyncDisposable {
  readonly #output: TreeImageOutput;
  readonly #options: TreeImageOptions;
  readonly #contents: ContentWriter;

  constructor(output: TreeImageOutput, options: TreeImageOptions) {
    const { compression, level, blockSize, threads, check } = options;
    const head = compressorOptions(compression, level);
    output.writeAt(0, [new Uint8Array(superblockSize), head]);
    this.#output = output;
    this.#options = options;
    this.#contents = new ContentWriter({
      ...{ output, start: superblockSize + head.length },
      ...{ compression, level, blockSize, threads, check },
    });
  }

  /** Takes a file of `size` bytes; returns its number. One at a time. */
  take(size: number, read: ReadContent): Promise<number> {
    return this.#contents.take(size, read);
  }

  /** `tree`: the content of a file that is not empty is the number that `take` has returned. */
  async finish(tree: Tree<number>): Promise<void> {
    const output = this.#output;
    const { compression, level, blockSize, warnings } = this.#options;
    const { files, fragments, position } = await this.#contents.finish();
    const placed = mapContent(tree, ({ size, content }) => (size === 0 ? emptyFile : files[content]!));
    const compressor = compression === 'none' ? undefined : createBlockCompressor(compression, level);
    const tables = {
      position,
      append(bytes: Uint8Array) {
        output.writeAt(this.position, [bytes]);
        this.position += bytes.length;
      },
    };
    try {
      const modificationTime = newest(tree);
      const superblock = writeTables(tables, placed, fragments, {
        ...{ compression, level, compressor, blockSize, modificationTime, warnings },
        alwaysXattrs: true,
      });
      // Data that was taken back may reach further than what was written last.
      output.truncate(tables.position);
      output.truncate(paddedSize(tables.position));
      output.writeAt(0, [superblock]);
    } finally {
      compressor?.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#contents[Symbol.asyncDispose]();
  }
}

/** What the image says of its own age must depend on nothing but the tree. */
function newest(tree: Tree<number>): number {
  let time = 0;
  for (const { inode } of tree.nodes) time = Math.max(time, inode.mtime.seconds);
  return Math.min(time, latest);
}
