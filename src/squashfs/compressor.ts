import { defaultLevel, levelRange } from '../bytes/codec/level.ts';
import type { BlockAlgorithm } from '../bytes/codec/types.ts';
import type { Struct } from '../bytes/struct.ts';
import { SquashfsError } from './error.ts';
import { gzipOptions, lz4Options, lzoOptions, metadataStored, xzOptions, zstdOptions } from './layout.ts';

/** `none` stores everything as it is. */
export type SquashfsCompression = Exclude<BlockAlgorithm, 'deflate'> | 'none';

/** The superblock's compressor numbers. `lzma` and `lzo` can be named, not read. */
export const compressorIds = { gzip: 1, lzma: 2, lzo: 3, xz: 4, lz4: 5, zstd: 6 } as const;
export type CompressorName = keyof typeof compressorIds;

/**
 * What the superblock says. It has no number for "none", and a kernel refuses to mount an image whose compressor it
 * was not built with, even if no block uses it: so `none` is written as gzip, which every kernel with squashfs has.
 */
export function compressorId(compression: SquashfsCompression): number {
  return compressorIds[compression === 'none' ? 'gzip' : compression];
}

/** Undefined for a number that the format does not know. */
export function findCompressor(id: number): CompressorName | undefined {
  return (Object.keys(compressorIds) as CompressorName[]).find(name => compressorIds[name] === id);
}

/** The levels that readers take for granted when an image says nothing, as squashfs-tools choose them. */
const silentLevels = { gzip: 9, zstd: 15 } as const;

/**
 * The bytes that stand between the superblock and the data: none where the options are the ones that readers assume,
 * except for lz4, which always has them. They only tell; decompressing needs none of them. xz has none because its
 * encoder keeps to the default, a dictionary of the block's size. Without a level it is the codec's default. Throws
 * SquashfsError `invalid` for a level that does not exist.
 */
export function compressorOptions(compression: SquashfsCompression, level?: number): Uint8Array {
  if (compression === 'none') return new Uint8Array(0);
  const told = checkLevel(compression, level);
  switch (compression) {
    case 'gzip':
      if (told === silentLevels.gzip) return new Uint8Array(0);
      return optionBlock(gzipOptions, { level: told, windowSize: 15, strategies: 0 });
    case 'zstd':
      if (told === silentLevels.zstd) return new Uint8Array(0);
      return optionBlock(zstdOptions, { level: told });
    case 'lz4':
      return optionBlock(lz4Options, { version: 1, flags: 0 });
    case 'xz':
      return new Uint8Array(0);
  }
}

function checkLevel(compression: BlockAlgorithm, level = defaultLevel(compression)): number {
  const { lowest, highest } = levelRange(compression);
  if (Number.isInteger(level) && level >= lowest && level <= highest) return level;
  throw new SquashfsError('invalid', `${compression} has no level ${level}`, {
    detail: { compression, level, lowest, highest },
    hint: lowest === highest ? `it has only level ${lowest}` : `choose a level from ${lowest} to ${highest}`,
  });
}

function optionBlock<V>(layout: Struct<V>, value: V): Uint8Array {
  const block = new Uint8Array(2 + layout.size);
  const header = metadataStored + layout.size;
  block[0] = header;
  block[1] = header >>> 8;
  layout.write(block, 2, value);
  return block;
}

/** What an image says about how it was compressed: the fields of the compressor's own options. */
export type CompressorOptions = Readonly<Record<string, number>>;

const optionLayouts: Partial<Record<CompressorName, Struct<CompressorOptions>>> = {
  gzip: gzipOptions as unknown as Struct<CompressorOptions>,
  xz: xzOptions as unknown as Struct<CompressorOptions>,
  lz4: lz4Options as unknown as Struct<CompressorOptions>,
  zstd: zstdOptions as unknown as Struct<CompressorOptions>,
  lzo: lzoOptions as unknown as Struct<CompressorOptions>,
};

/** Reads the payload of the option block; undefined when it is not what the compressor has. */
export function findCompressorOptions(
  compressor: CompressorName,
  payload: Uint8Array,
): CompressorOptions | undefined {
  const layout = optionLayouts[compressor];
  return layout === undefined || payload.length < layout.size ? undefined : layout.read(payload, 0);
}
