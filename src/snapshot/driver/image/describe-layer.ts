import type { LayerEntry } from '../../../layer/index.ts';
import { isOpaque, isWhiteout } from '../../../overlay/index.ts';
import type { Node } from '../../../tree/index.ts';
import { plainXattrs } from './markers.ts';
import type { LayerContent, OpenLayer } from './open-layer.ts';

/** A layer that is stored, as the merge takes layers: records, and what the files among them hold. */
export interface DescribedLayer {
  readonly entries: readonly LayerEntry[];
  /** Of the file at this position. */
  read(entry: number): Iterable<Uint8Array>;
}

/**
 * The records that would make such a layer: a directory before what is in it, an inode under its first name, hardlinks behind it. A socket, which no record
 * can say, stands as a fifo: it is there, and that is all that counts.
 */
export function describeLayer(layer: OpenLayer): DescribedLayer {
  const tree = layer.tree();
  const entries: LayerEntry[] = [];
  const contents = new Map<number, LayerContent>();
  const first = new Map<Node<LayerContent>, string>();
  for (const node of tree.nodes) {
    if (node.inode.type !== 'directory') continue;
    const { path } = node;
    const { mode, uid, gid, mtime, xattrs } = node.inode;
    entries.push({ type: 'directory', path, mode, uid, gid, mtime, xattrs: plainXattrs(xattrs) });
    if (isOpaque(node.inode)) entries.push({ type: 'opaque', path });
    for (const { name, node: child } of node.entries) {
      if (child.inode.type === 'directory') continue;
      const at = path === '' ? name : `${path}/${name}`;
      const target = first.get(child);
      if (isWhiteout(child.inode)) entries.push({ type: 'whiteout', path: at });
      else if (target !== undefined) entries.push({ type: 'hardlink', path: at, target });
      else {
        first.set(child, at);
        if (child.inode.type === 'file') contents.set(entries.length, child.inode.content);
        entries.push(describeLeaf(child.inode, at));
      }
    }
  }
  return { entries, read: entry => contents.get(entry)?.read() ?? [] };
}

function describeLeaf(
  inode: Exclude<Node<LayerContent>['inode'], { type: 'directory' }>,
  path: string,
): LayerEntry {
  const { mode, uid, gid, mtime } = inode;
  const common = { path, mode, uid, gid, mtime, xattrs: plainXattrs(inode.xattrs) };
  switch (inode.type) {
    case 'file':
      return { ...common, type: 'file', size: inode.size, offset: undefined, segments: undefined };
    case 'symlink':
      return { ...common, type: 'symlink', target: inode.target };
    case 'block':
    case 'character':
      return { ...common, type: inode.type, major: inode.major, minor: inode.minor };
    case 'fifo':
    case 'socket':
      return { ...common, type: 'fifo' };
  }
}
