import {
  type ByteString,
  type DirectoryInode,
  type Inode,
  type Node,
  type Tree,
  validateTree,
} from '../tree/index.ts';
import type { Stacked } from './stack.ts';

/** What a stack shows, as a tree of its own. Names of one inode of one layer are one file. Linear. */
export function treeOfStack<C>(root: Stacked<C>): Tree<C> {
  const known = new Map<Node<C>, Inode<C>>();
  const pending: { readonly from: Stacked<C>; readonly children: Map<ByteString, Inode<C>> }[] = [];
  const directoryOf = (from: Stacked<C>): DirectoryInode<C> => {
    const children = new Map<ByteString, Inode<C>>();
    pending.push({ from, children });
    return { ...from.node.inode, type: 'directory', xattrs: from.xattrs, children };
  };
  const top = directoryOf(root);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, child] of next.from.children!) {
      const { node, xattrs, children } = child;
      let inode = known.get(node);
      if (inode === undefined) {
        inode = children === undefined ? ({ ...node.inode, xattrs } as Inode<C>) : directoryOf(child);
        known.set(node, inode);
      }
      next.children.set(name, inode);
    }
  }
  return validateTree<C>(top);
}
