import { isAvailable } from './availability.ts';
import { XzBlockCompressor, XzBlockDecompressor } from './block-xz.ts';
import { ZlibBlockCompressor, ZlibBlockDecompressor } from './block-zlib.ts';
import { ZstdBlockCompressor, ZstdBlockDecompressor } from './block-zstd.ts';
import { CodecError } from './error.ts';
import { defaultLevel, levelRange } from './level.ts';
import { Lz4BlockCompressor, Lz4BlockDecompressor } from './lz4.ts';
import type { BlockAlgorithm, BlockCompressor, BlockDecompressor } from './types.ts';

/**
 * A compressor of whole blocks. Throws `invalid` for a level out of range, `unsupported` where `isAvailable` says no.
 */
export function createBlockCompressor(
  algorithm: BlockAlgorithm,
  level = defaultLevel(algorithm),
): BlockCompressor {
  const { lowest, highest } = levelRange(algorithm);
  if (!Number.isInteger(level) || level < lowest || level > highest) {
    throw new CodecError('invalid', `${algorithm} has no compression level ${level}`, {
      detail: { algorithm, level, lowest, highest },
      hint: lowest === highest ? `it has only level ${lowest}` : `give a level from ${lowest} to ${highest}`,
    });
  }
  if (algorithm === 'zstd') return new ZstdBlockCompressor(level);
  if (algorithm === 'gzip') return new ZlibBlockCompressor(level);
  if (algorithm === 'deflate') return new ZlibBlockCompressor(level, { raw: true });
  if (algorithm === 'lz4') return new Lz4BlockCompressor();
  const availability = isAvailable('xz');
  if (!availability.available) throw new CodecError('unsupported', availability.reason);
  return new XzBlockCompressor(level);
}

/** A decompressor of whole blocks; every algorithm is there on every machine. */
export function createBlockDecompressor(algorithm: BlockAlgorithm): BlockDecompressor {
  if (algorithm === 'zstd') return new ZstdBlockDecompressor();
  if (algorithm === 'gzip') return new ZlibBlockDecompressor();
  if (algorithm === 'deflate') return new ZlibBlockDecompressor({ raw: true });
  if (algorithm === 'lz4') return new Lz4BlockDecompressor();
  return new XzBlockDecompressor();
}
