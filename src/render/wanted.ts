import type { Content } from '../merge/index.ts';
import type { Tree } from '../tree/index.ts';

/** Which file contents a tree needs: per layer (by position from the oldest) the positions of its entries. Empty files need none. */
export function findWanted(tree: Tree<Content>, layers: number): readonly Set<number>[] {
  const wanted = Array.from({ length: layers }, () => new Set<number>());
  for (const { inode } of tree.nodes) {
    if (inode.type === 'file' && inode.size > 0) wanted[inode.content.layer]!.add(inode.content.entry);
  }
  return wanted;
}
