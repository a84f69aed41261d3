import { createBlockCompressor } from '../../bytes/codec/block.ts';
import { BlockPool, type SlabPool } from '../../bytes/pool/index.ts';
import type { Warnings } from '../../error/index.ts';
import type { Content } from '../../merge/index.ts';
import { BlockWriter } from '../../squashfs/block-writer.ts';
import { compressorOptions, type SquashfsCompression } from '../../squashfs/compressor.ts';
import { emptyFile } from '../../squashfs/data.ts';
import { superblockSize } from '../../squashfs/layout.ts';
import { paddedSize, writeTables } from '../../squashfs/table-writer.ts';
import { mapContent, type Tree } from '../../tree/index.ts';
import { Appender, fileAccess, type ImageFile } from './file-access.ts';
import type { NumberOf, Output, Sink } from './sink.ts';

export interface SquashfsOptions {
  readonly compression: SquashfsCompression;
  readonly level: number | undefined;
  /** Bytes; a power of two from 4 KiB to 1 MiB. */
  readonly blockSize: number;
  /** Packs the ends of files, and small files, into common blocks. */
  readonly fragments: boolean;
  /** Seconds since 1970. */
  readonly modificationTime: number;
}

export interface SquashfsSinkOptions extends SquashfsOptions {
  readonly file: ImageFile;
  readonly slabs: SlabPool;
  readonly threads: number;
  readonly warnings: Warnings;
  /** Hears of the first failure in a compression thread. */
  readonly fail: (error: unknown) => void;
}

export class SquashfsSink implements Sink {
  readonly format = 'squashfs';
  readonly #options: SquashfsSinkOptions;
  readonly #pool: BlockPool;
  readonly #blocks: BlockWriter;

  constructor(options: SquashfsSinkOptions) {
    this.#options = options;
    const { compression, level, blockSize, slabs, threads, file } = options;
    const head = compressorOptions(compression, level);
    file.writeAt(new Uint8Array(superblockSize), 0);
    file.writeAt(head, superblockSize);
    const algorithm = compression === 'none' ? undefined : compression;
    this.#pool = new BlockPool({ slabs, threads, algorithm, level, blockBytes: blockSize }, options.fail);
    this.#blocks = new BlockWriter({
      output: fileAccess(file),
      start: superblockSize + head.length,
      blockBytes: blockSize,
      packTails: options.fragments,
      slabs,
      pool: this.#pool,
    });
  }

  begin(id: number, size: number): void {
    this.#blocks.begin(id, size);
  }
  data(offset: number, length: number): void {
    this.#blocks.data(offset, length);
  }
  hole(length: number): void {
    this.#blocks.hole(length);
  }
  end(): void {
    this.#blocks.end();
  }
  ready(): Promise<void> {
    return this.#blocks.ready();
  }
  restart(): Promise<void> {
    return this.#blocks.restart();
  }

  async finish(tree: Tree<Content>, numberOf: NumberOf): Promise<void> {
    const { compression, level, blockSize, modificationTime, warnings, file } = this.#options;
    const { files, fragments, position } = await this.#blocks.finish();
    const placed = mapContent(tree, file => (file.size === 0 ? emptyFile : files[numberOf(file)]!));
    const compressor = compression === 'none' ? undefined : createBlockCompressor(compression, level);
    const output = new Appender(file, position);
    try {
      const options = { compression, level, compressor, blockSize, modificationTime, warnings };
      const superblock = writeTables(output, placed, fragments, options);
      output.flush();
      // Data that was taken back may reach further than what was written last.
      file.truncate(output.position);
      file.truncate(paddedSize(output.position));
      file.writeAt(superblock, 0);
    } finally {
      compressor?.close();
    }
  }

  async commit(): Promise<Output> {
    const { file } = this.#options;
    await file.commit();
    const { path, size: bytes, measured } = file;
    return { path, format: this.format, bytes, ...(measured && { measured }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
    await this.#options.file[Symbol.asyncDispose]();
  }
}
