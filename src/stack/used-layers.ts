import type { Content } from '../merge/index.ts';
import type { Tree } from '../tree/index.ts';

/** The layers of which a tree has contents, oldest first: these are the devices 1, 2, … of what points into layers. */
export function findUsedLayers(tree: Tree<Content>, count: number): number[] {
  const used = new Array<boolean>(count).fill(false);
  for (const { inode } of tree.nodes) {
    if (inode.type === 'file' && inode.size > 0) used[inode.content.layer] = true;
  }
  return [...used.keys()].filter(layer => used[layer]);
}
