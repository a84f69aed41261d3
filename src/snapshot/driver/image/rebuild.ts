import type { ByteString, DirectoryInode, Inode, Node, NodeInode, Tree } from '../../../tree/index.ts';

/** What a directory is, but for what is in it. */
export type Directory = Extract<NodeInode<unknown>, { type: 'directory' }>;

/**
 * The tree with other inodes: names that share one go on sharing one. `leaf` is called once for each inode that is no directory; what it returns `undefined` for is
 * left out. `directory` is called with what then is in it. Linear, whatever the depth.
 */
export function rebuild<A, B>(tree: Tree<A>, make: Making<A, B>): DirectoryInode<B> {
  return rebuildAll(tree, make)[tree.root.index] as DirectoryInode<B>;
}

export interface Making<A, B> {
  leaf(inode: Exclude<NodeInode<A>, { type: 'directory' }>, node: Node<A>): Inode<B> | undefined;
  directory(inode: Directory, children: ReadonlyMap<ByteString, Inode<B>>): DirectoryInode<B>;
}

/** The same: the inodes of all nodes, by their positions. */
export function rebuildAll<A, B>({ nodes }: Tree<A>, make: Making<A, B>): (Inode<B> | undefined)[] {
  const made = nodes.map(node => (node.inode.type === 'directory' ? undefined : make.leaf(node.inode, node)));
  // From the leaves up: nodes come before what they hold.
  for (let index = nodes.length - 1; index >= 0; index -= 1) {
    const { inode, entries } = nodes[index]!;
    if (inode.type !== 'directory') continue;
    const children = new Map<ByteString, Inode<B>>();
    for (const { name, node } of entries) {
      const child = made[node.index];
      if (child !== undefined) children.set(name, child);
    }
    made[index] = make.directory(inode, children);
  }
  return made;
}
