/**
 * Compression, synchronous and without streams: bytes go in, bytes come out, and the caller decides on which thread.
 *
 * Two kinds. A **stream** (an image's layer) is decompressed with `createDecompressor`, which detects what it is and
 * reads all of it: every gzip member, zstd frame, xz and bzip2 stream, with every checksum verified. A **block** (of a
 * squashfs image) is compressed and decompressed whole; where that changes no bytes a block codec keeps
 * its native context from one block to the next, which makes Node's own zstd as fast as the C library is.
 *
 * gzip and zstd come from Node (`zlib-handle.ts` says how), the rest is written here. A system library may do gzip's
 * work faster (`../native`); the bytes are the same with and without it, and so is what is accepted. Only compressing
 * with xz needs one: see `isAvailable`.
 *
 * The formats are described in doc/format/compression.md.
 */
export {
  type Availability,
  createBlockCompressor,
  createBlockDecompressor,
  defaultLevel,
  isAvailable,
  type LevelRange,
  levelRange,
} from './block.ts';
export { createDecompressor, type DecompressorOptions, type DetectingDecompressor } from './decompressor.ts';
export { detectCompression, detectionLength } from './detect.ts';
export { CodecError } from './error.ts';
export type {
  BlockAlgorithm,
  BlockCompressor,
  BlockDecompressor,
  Compression,
  Decompressor,
} from './types.ts';
