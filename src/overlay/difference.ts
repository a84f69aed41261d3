import type { Content } from '../merge/index.ts';
import type { ByteString, Node, NodeInode, Tree, Xattrs } from '../tree/index.ts';
import type { Stacked } from './stack.ts';

/** What a stack lacks of a tree. The arrays go by the position of the tree's nodes. */
export interface Difference {
  /** Of a directory: the one that the stack shows in its place; `undefined` where it shows none. */
  readonly below: readonly (Stacked<Content> | undefined)[];
  /** Of a directory: names that the stack shows and the tree does not have. */
  readonly surplus: readonly (readonly ByteString[] | undefined)[];
  /** Not a directory's: 1 where the stack is wrong about it under any of its names. A directory's: 1 for its own metadata. */
  readonly wrong: Uint8Array;
}

/** Compares name by name. Linear. */
export function compareTrees(stacked: Stacked<Content> | undefined, tree: Tree<Content>): Difference {
  const { nodes, root } = tree;
  const below: (Stacked<Content> | undefined)[] = [];
  const surplus: (ByteString[] | undefined)[] = [];
  const wrong = new Uint8Array(nodes.length);
  const groups = new Groups();
  below[root.index] = stacked;
  for (const { inode, index, entries } of nodes) {
    if (inode.type !== 'directory') continue;
    const shown = below[index];
    if (shown === undefined || !isSameInode(inode, shown)) wrong[index] = 1;
    let common = 0;
    for (const { name, node } of entries) {
      const found = shown?.children?.get(name);
      if (found !== undefined) common += 1;
      if (node.inode.type === 'directory') below[node.index] = found?.children && found;
      else if (found === undefined || !groups.isSame(node, found)) wrong[node.index] = 1;
    }
    const names = shown?.children?.keys() ?? [];
    if (common < (shown?.children?.size ?? 0)) surplus[index] = without(names, entries);
  }
  return { below, surplus, wrong };
}

/** Pairs inodes that are no directories: each of the tree's with one of the stack's, under all of its names. */
class Groups {
  readonly #pairs = new Map<Node<Content>, Node<Content>>();
  readonly #taken = new Set<Node<Content>>();

  isSame(node: Node<Content>, found: Stacked<Content>): boolean {
    // Nearly all: one name here, and there no other name that could be taken for another inode.
    if (node.links === 1 && found.node.links === 1) return isSameInode(node.inode, found);
    const pair = this.#pairs.get(node);
    if (pair !== undefined) return pair === found.node;
    if (this.#taken.has(found.node) || !isSameInode(node.inode, found)) return false;
    this.#pairs.set(node, found.node);
    this.#taken.add(found.node);
    return true;
  }
}

function without(names: Iterable<ByteString>, entries: Node<Content>['entries']): ByteString[] {
  const known = new Set<ByteString>();
  for (const { name } of entries) known.add(name);
  return [...names].filter(name => !known.has(name));
}

function isSameInode(a: NodeInode<Content>, { node: { inode: b }, xattrs }: Stacked<Content>): boolean {
  if (a.type !== b.type || a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.mtime.seconds !== b.mtime.seconds || a.mtime.nanoseconds !== b.mtime.nanoseconds) return false;
  if (!areSameXattrs(a.xattrs, xattrs)) return false;
  if (a.type === 'file' && b.type === 'file') {
    if (a.size !== b.size) return false;
    return a.size === 0 || (a.content.layer === b.content.layer && a.content.entry === b.content.entry);
  }
  if (a.type === 'symlink' && b.type === 'symlink') return a.target === b.target;
  if ('major' in a && 'major' in b) return a.major === b.major && a.minor === b.minor;
  return true;
}

function areSameXattrs(a: Xattrs, b: Xattrs): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}
