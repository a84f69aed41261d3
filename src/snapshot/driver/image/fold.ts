import { isOpaque, markOpaque } from '../../../overlay/index.ts';
import {
  type ByteString,
  type DirectoryInode,
  type Inode,
  type Node,
  type Tree,
  validateTree,
} from '../../../tree/index.ts';
import { markDirectory } from './markers.ts';
import { type Directory, type Making, rebuild, rebuildAll } from './rebuild.ts';

/** A directory of both layers. */
interface Pair<C> {
  readonly above: Node<C>;
  readonly below: Node<C>;
  readonly children: Map<ByteString, Inode<C>>;
}

/**
 * Two layers as one: what stacking `upper` on `lower` shows and hides, whatever is below them. Whiteouts stay, for they hide that, too. Linear.
 */
export function foldLayers<C>(upper: Tree<C>, lower: Tree<C>): Tree<C> {
  const uppers = rebuildAll(upper, same<C>());
  const lowers = rebuildAll(lower, same<C>());
  const pending: Pair<C>[] = [];
  const join = (above: Node<C>, below: Node<C>): DirectoryInode<C> => {
    const children = new Map<ByteString, Inode<C>>();
    pending.push({ above, below, children });
    return withChildren(above.inode as Directory, children, isOpaque(below.inode));
  };
  const root = join(upper.root, lower.root);
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    const { above, below, children } = pair;
    const found = new Map<ByteString, Node<C>>();
    for (const { name, node } of below.entries) {
      found.set(name, node);
      children.set(name, lowers[node.index]!);
    }
    for (const { name, node } of above.entries) {
      const under = found.get(name);
      const whole = uppers[node.index]!;
      if (under === undefined || whole.type !== 'directory' || isOpaque(whole)) children.set(name, whole);
      else if (under.inode.type === 'directory') children.set(name, join(node, under));
      // What it replaces has hidden what is below.
      else children.set(name, withChildren(whole, whole.children, true));
    }
  }
  return validateTree(rebuild(validateTree<C>(root), { ...same<C>(), directory: markDirectory }));
}

function same<C>(): Making<C, C> {
  return { leaf: inode => inode, directory: (inode, children) => withChildren(inode, children, false) };
}

function withChildren<C>(
  inode: Directory,
  children: ReadonlyMap<ByteString, Inode<C>>,
  opaque: boolean,
): DirectoryInode<C> {
  const xattrs = opaque ? markOpaque(inode.xattrs, 'trusted') : inode.xattrs;
  return { ...inode, type: 'directory', xattrs, children };
}
