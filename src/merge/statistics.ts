import type { LayerIndex } from '../layer/index.ts';
import type { Tree } from '../tree/index.ts';
import type { Content } from './content.ts';

/** What a layer brought and what of it stands in the result. */
export interface LayerStatistics {
  /** All records of the layer's index, markers included. */
  readonly entries: number;
  readonly whiteouts: number;
  readonly opaques: number;
  /** Bytes of all its files. */
  readonly bytes: number;
  /** Bytes of those files that stand in the result under no name: the image carries them for nothing. */
  readonly hiddenBytes: number;
}

/** The statistics of each layer, oldest first. `tree` is what these layers merge to. Linear. */
export function countHiddenBytes(layers: readonly LayerIndex[], tree: Tree<Content>): LayerStatistics[] {
  const standing = layers.map(() => 0);
  for (const { inode } of tree.nodes) {
    if (inode.type === 'file') standing[inode.content.layer]! += inode.size;
  }
  return layers.map(({ entries }, layer) => {
    let whiteouts = 0;
    let opaques = 0;
    let bytes = 0;
    for (const entry of entries) {
      if (entry.type === 'whiteout') whiteouts += 1;
      else if (entry.type === 'opaque') opaques += 1;
      else if (entry.type === 'file') bytes += entry.size;
    }
    return { entries: entries.length, whiteouts, opaques, bytes, hiddenBytes: bytes - standing[layer]! };
  });
}
