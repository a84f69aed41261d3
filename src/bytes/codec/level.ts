import type { BlockAlgorithm } from './types.ts';

/** What levels an algorithm has; `lowest` is the fastest. */
export interface LevelRange {
  readonly lowest: number;
  readonly highest: number;
}

const ranges: Readonly<Record<BlockAlgorithm, LevelRange & { readonly default: number }>> = {
  gzip: { lowest: 1, highest: 9, default: 9 },
  // What 9 saves more than 6 is under 1 %, for three times the time; of gzip 9 is what squashfs-tools made everybody used to.
  deflate: { lowest: 1, highest: 9, default: 6 },
  xz: { lowest: 0, highest: 9, default: 6 },
  // One speed only; any level of the others would promise a difference that is not there.
  lz4: { lowest: 1, highest: 1, default: 1 },
  zstd: { lowest: 1, highest: 22, default: 3 },
};

export function levelRange(algorithm: BlockAlgorithm): LevelRange {
  const { lowest, highest } = ranges[algorithm];
  return { lowest, highest };
}

export function defaultLevel(algorithm: BlockAlgorithm): number {
  return ranges[algorithm].default;
}
