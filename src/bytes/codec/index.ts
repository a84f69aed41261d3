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
 * `ls`, `cat` and the threads of a render import the file that they need instead of this one, for every module costs
 * them part of a millisecond before they answer.
 *
 * The formats are described in doc/format/compression.md.
 */
export { type Availability, isAvailable } from './availability.ts';
export { createBlockCompressor, createBlockDecompressor } from './block.ts';
export { createDecompressor, type DecompressorOptions, type DetectingDecompressor } from './decompressor.ts';
export { detectCompression, detectionLength } from './detect.ts';
export { CodecError } from './error.ts';
export { defaultLevel, type LevelRange, levelRange } from './level.ts';
export type {
  BlockAlgorithm,
  BlockCompressor,
  BlockDecompressor,
  Compression,
  Decompressor,
} from './types.ts';
