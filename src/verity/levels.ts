import type { BlockHasher } from './block-hasher.ts';
import { blockSize, digestSize, digestsPerBlock } from './layout.ts';

/** All of a tree above its lowest level. */
export interface UpperLevels {
  readonly rootHash: Buffer;
  /** The hash blocks, the uppermost level first, as they lie in a file: in front of the lowest level. */
  readonly blocks: Buffer;
}

/** How many bytes the digests of the lowest level's blocks take, of data of so many bytes: 64 KiB for each GiB. */
export function foldedSize(size: number): number {
  return Math.ceil(size / (digestsPerBlock * blockSize)) * digestSize;
}

/** Builds them from the digests of the blocks of the lowest level, of which there is at least one. */
export function foldLevels(folded: Uint8Array, hasher: BlockHasher): UpperLevels {
  const levels: Buffer[] = [];
  let digests = Buffer.from(folded);
  while (digests.length > digestSize) {
    const level = Buffer.alloc(Math.ceil(digests.length / blockSize) * blockSize);
    level.set(digests);
    levels.unshift(level);
    digests = Buffer.alloc((level.length / blockSize) * digestSize);
    hasher.hashBytes(level, digests);
  }
  return { rootHash: digests, blocks: Buffer.concat(levels) };
}
