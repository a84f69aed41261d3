import { blockSize, digestsPerBlock } from './layout.ts';

/** One level of a tree. */
export interface VerityLevel {
  /** Where it begins in the tree's file, in bytes. */
  readonly position: number;
  /** Its hash blocks. */
  readonly blocks: number;
}

export interface VerityGeometry {
  /** From the digests of data up to the level of one block; none where there is one block of data, whose digest is the root. */
  readonly levels: readonly VerityLevel[];
  /** Where the tree ends in its file, in bytes. */
  readonly end: number;
}

/**
 * Where all hash blocks of so many data blocks lie: behind the superblock, which is at `hashOffset`; the uppermost level first.
 */
export function computeGeometry(dataBlocks: number, hashOffset = 0): VerityGeometry {
  const counts: number[] = [];
  for (let below = dataBlocks; below > 1; below = Math.ceil(below / digestsPerBlock)) {
    counts.push(Math.ceil(below / digestsPerBlock));
  }
  const levels: VerityLevel[] = [];
  let position = hashOffset + blockSize;
  for (const blocks of counts.reverse()) {
    levels.unshift({ position, blocks });
    position += blocks * blockSize;
  }
  return { levels, end: position };
}
