import { dirname } from 'node:path';
import { BlockPool, type SlabPool } from '../../bytes/pool/index.ts';
import { ClusterWriter } from '../../erofs/cluster-writer.ts';
import type { DataOf, ErofsAlgorithm } from '../../erofs/data.ts';
import { DataLog } from '../../erofs/data-log.ts';
import { type ContentWriter, DataWriter } from '../../erofs/data-writer.ts';
import type { Segment } from '../../erofs/file-layout.ts';
import { writeErofs } from '../../erofs/image-writer.ts';
import type { StoredTail } from '../../erofs/plain-file.ts';
import { headSize } from '../../erofs/superblock-writer.ts';
import type { Warnings } from '../../error/index.ts';
import type { Content } from '../../merge/index.ts';
import type { Tree } from '../../tree/index.ts';
import { fileAccess, type ImageFile } from './file-access.ts';
import type { NumberOf, Output, Sink } from './sink.ts';
import { TailSpool } from './tail-spool.ts';

export interface ErofsOptions {
  readonly compression: ErofsAlgorithm | 'none';
  readonly level: number | undefined;
  /** Uncompressed bytes of an extent, where compression is not `none`: a power of two from 8 KiB to 1 MiB. */
  readonly blockSize: number;
  /** What the image is made from, such as the digests of its layers: goes into its UUID. */
  readonly identity: Uint8Array;
}

export interface ErofsSinkOptions extends ErofsOptions {
  readonly file: ImageFile;
  readonly slabs: SlabPool;
  readonly threads: number;
  readonly warnings: Warnings;
  /** Hears of the first failure in a compression thread. */
  readonly fail: (error: unknown) => void;
}

/** Larger ones no kernel mounts whose pages have 4 KiB, smaller ones take more index and no less room. */
const blockBytes = 4096;

/** One EROFS image of the whole tree. Data comes first, as it is given; then the metadata; the head is written last. */
export class ErofsSink implements Sink {
  readonly format = 'erofs';
  readonly #options: ErofsSinkOptions;
  readonly #algorithms: readonly ErofsAlgorithm[];
  readonly #tails: TailSpool;
  readonly #log: DataLog;
  readonly #pool: BlockPool | undefined;
  readonly #contents: ContentWriter;

  constructor(options: ErofsSinkOptions) {
    this.#options = options;
    const { compression, level, blockSize: extentBytes, slabs, threads, file } = options;
    this.#algorithms = compression === 'none' ? [] : [compression];
    const start = headSize({ blockSize: blockBytes, algorithms: this.#algorithms });
    const log = new DataLog(fileAccess(file), slabs, start, blockBytes);
    const tails = new TailSpool(dirname(file.path));
    this.#log = log;
    this.#tails = tails;
    if (compression === 'none') {
      this.#contents = new DataWriter(log, tails, slabs);
      return;
    }
    const algorithm = compression;
    const pool = new BlockPool({ slabs, threads, algorithm, level, blockBytes: extentBytes }, options.fail);
    this.#pool = pool;
    this.#contents = new ClusterWriter({ log, tails, slabs, algorithm, extentBytes, pool });
  }

  begin(id: number, size: number, segments?: readonly Segment[]): void {
    this.#contents.begin(id, size, segments);
  }
  data(offset: number, length: number): void {
    this.#contents.data(offset, length);
  }
  hole(length: number): void {
    this.#contents.hole(length);
  }
  end(): void {
    this.#contents.end();
  }
  ready(): Promise<void> {
    return this.#contents.ready();
  }

  async restart(): Promise<void> {
    await this.#contents.restart();
    this.#log.restart();
    this.#tails.restart();
    // What is not written reads as zeros.
    this.#options.file.truncate(0);
  }

  async finish(tree: Tree<Content>, numberOf: NumberOf): Promise<void> {
    const { file, compression, level, blockSize, warnings } = this.#options;
    const files = await this.#contents.finish();
    const dataOf: DataOf<Content> = inode => files[numberOf(inode)]!;
    const access = fileAccess(file);
    const output = {
      position: this.#log.end,
      append(bytes: Uint8Array): void {
        access.writeAt(this.position, [bytes]);
        this.position += bytes.length;
      },
    };
    const options = compression === 'none' ? compression : `${compression} ${level} ${blockSize}`;
    const { head, size } = writeErofs(output, tree, {
      blockSize: blockBytes,
      identity: Buffer.concat([this.#options.identity, Buffer.from(options)]),
      algorithms: this.#algorithms,
      dataOf,
      readTail: ({ inode }, target) => {
        if (inode.type === 'file') this.#tails.read((dataOf(inode) as StoredTail).tail, target);
      },
      warnings,
    });
    file.truncate(size);
    file.writeAt(head, 0);
  }

  async commit(): Promise<Output> {
    const { file } = this.#options;
    await file.commit();
    const { path, size: bytes, measured } = file;
    return { path, format: this.format, bytes, ...(measured && { measured }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.close();
    this.#tails[Symbol.dispose]();
    await this.#options.file[Symbol.asyncDispose]();
  }
}
