import type { FileInode } from '../tree/index.ts';

/**
 * Where a file's bytes lie. Positions are bytes from the start of the device, and multiples of the image's block size.
 *
 * `plain`: one run of blocks, the last one padded with zeros. `inline`: the full blocks in one run, what is left over (1 to
 * block size - 1 bytes) behind the inode, where the writer puts it. `chunked`: pieces of one size, each anywhere on any device,
 * or a hole. `compressed`: extents of one uncompressed size, in the primary device. A file of no bytes is `emptyFile`.
 */
export type FileData = PlainData | InlineData | ChunkedData | CompressedData;

/** Where the bytes of a file lie, whatever its `content` is; asked several times for each file, so it is to be quick. */
export type DataOf<C = unknown> = (file: FileInode<C>) => FileData;

export interface PlainData {
  readonly kind: 'plain';
  readonly start: number;
}
export interface InlineData {
  readonly kind: 'inline';
  /** Of the full blocks; meaningless when there is none. */
  readonly start: number;
}
export interface ChunkedData {
  readonly kind: 'chunked';
  /** A power of two, from the block size to that times 2^31. */
  readonly chunkBytes: number;
  /** One for each chunk of the file's size: position on its device, or `hole`. */
  readonly starts: ArrayLike<number>;
  /**
   * Of each chunk: 0 is the image itself, others are its extra devices, from 1. All 0 when absent. One file's chunks are on one
   * device, holes aside: of others Linux may give the wrong bytes.
   */
  readonly devices?: ArrayLike<number>;
}
export interface CompressedData {
  readonly kind: 'compressed';
  readonly algorithm: ErofsAlgorithm;
  /** Uncompressed bytes of each extent but the last, which may have less: a multiple of the block size, 1 MiB at most. */
  readonly extentBytes: number;
  /** Position of each extent. */
  readonly starts: ArrayLike<number>;
  /**
   * Stored bytes of each extent, a multiple of the block size: zeros, then the compressed data up to the end. 0: the extent is
   * stored as it is, padded with zeros to a whole block.
   */
  readonly stored: ArrayLike<number>;
}

export type ErofsAlgorithm = 'lz4' | 'deflate' | 'zstd';

/** In `ChunkedData.starts`: zeros that are stored nowhere. */
export const hole = -1;

export const emptyFile: FileData = { kind: 'plain', start: 0 };
