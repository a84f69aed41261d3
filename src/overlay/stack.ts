import type { ByteString, Node, Tree, Xattrs } from '../tree/index.ts';
import { hasOrigin, hideMarkers, isOpaque, isWhiteout } from './marker.ts';

/** A name as OverlayFS shows it. */
export interface Stacked<C> {
  /** The newest layer's; two names with the same one are one inode. Its metadata shows, without OverlayFS's xattrs. */
  readonly node: Node<C>;
  readonly xattrs: Xattrs;
  /** Of a directory: what all layers have in it, whiteouts applied. */
  readonly children: ReadonlyMap<ByteString, Stacked<C>> | undefined;
}

/** A directory, with what is still to be merged into it. */
class StackedDirectory<C> implements Stacked<C> {
  readonly node: Node<C>;
  readonly xattrs: Xattrs;
  readonly children = new Map<ByteString, Stacked<C>>();
  /** The layers' directories, newest first. */
  readonly parts: Node<C>[] = [];
  /** Whether directories of older layers join. */
  open = true;

  constructor(node: Node<C>) {
    this.node = node;
    this.xattrs = hideMarkers(node.inode.xattrs);
  }

  join(node: Node<C>): void {
    this.parts.push(node);
    if (isOpaque(node.inode)) this.open = false;
  }
}

/**
 * What the kernel's OverlayFS shows of these layers, oldest first, as its lower directories. `undefined` of none. Directories
 * merge by name down to the first that is opaque, or that meets a whiteout or anything else; of the rest the newest shows.
 * That a root is opaque counts for nothing: the kernel does not ask. A directory that is nobody else's shows its whiteouts,
 * unless it has an origin (`markOrigin`). Linear in all trees together.
 */
export function stackTrees<C>(trees: readonly Tree<C>[]): Stacked<C> | undefined {
  const newest = trees.at(-1);
  if (newest === undefined) return undefined;
  const root = new StackedDirectory(newest.root);
  for (const tree of trees) root.parts.push(tree.root);
  root.parts.reverse();
  const pending = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) mergeParts(next, pending);
  return root;
}

function mergeParts<C>(directory: StackedDirectory<C>, pending: StackedDirectory<C>[]): void {
  const { children, parts } = directory;
  const deleted: ByteString[] = [];
  const isAsItLies = parts.length === 1 && !hasOrigin(parts[0]!.inode);
  for (const part of parts) {
    for (const { name, node } of part.entries) {
      const above = children.get(name);
      const isDirectory = node.inode.type === 'directory';
      if (above instanceof StackedDirectory) {
        if (!above.open) continue;
        if (isDirectory) above.join(node);
        else above.open = false;
      } else if (above === undefined && isDirectory) {
        const merged = new StackedDirectory(node);
        merged.join(node);
        children.set(name, merged);
        pending.push(merged);
      } else if (above === undefined) {
        children.set(name, { node, xattrs: hideMarkers(node.inode.xattrs), children: undefined });
        if (!isAsItLies && isWhiteout(node.inode)) deleted.push(name);
      }
    }
  }
  for (const name of deleted) children.delete(name);
  parts.length = 0;
}
