import type { FileInode, Inode } from './inode.ts';
import { type Tree, validateTree } from './tree.ts';

/** The same tree with its contents called otherwise; hardlinks stay hardlinks. `rename` is called once a file. */
export function mapContent<A, B>(tree: Tree<A>, rename: (file: FileInode<A>) => B): Tree<B> {
  const inodes: Inode<B>[] = tree.nodes.map(({ inode }) => {
    if (inode.type === 'file') return { ...inode, content: rename(inode) };
    return inode.type === 'directory' ? { ...inode, children: new Map() } : inode;
  });
  for (const { index, entries } of tree.nodes) {
    const inode = inodes[index]!;
    if (inode.type !== 'directory') continue;
    const children = inode.children as Map<string, Inode<B>>;
    for (const { name, node } of entries) children.set(name, inodes[node.index]!);
  }
  return validateTree(inodes[0]!);
}
