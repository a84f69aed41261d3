import { type PathContent, readDirectory, readFileIn } from '../../../render/directory/index.ts';
import { type Inode, type Node, printable, validateTree } from '../../../tree/index.ts';
import { SnapshotError } from '../../error.ts';
import { markDirectory, markLeaf } from './markers.ts';
import { rebuild } from './rebuild.ts';
import type { LayerSource, ReadableContent } from './write-layer.ts';

/** What of OverlayFS's makes an inode mean something other than it says; we mount so that the kernel makes none. */
const steering = ['trusted.overlay.redirect', 'trusted.overlay.metacopy'];

/**
 * An upper directory as a layer: whiteouts and opaque directories in one form, whatever the kernel has written beside them. Nobody may write to it
 * meanwhile. SnapshotError `unsupported` for what a layer cannot say.
 */
export async function readUpper(
  path: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<LayerSource> {
  const tree = await readDirectory(path, signal === undefined ? {} : { signal });
  for (const node of tree.nodes) if (node.inode.xattrs.size > 0) refuseSteering(node, path);
  const root = rebuild<PathContent, ReadableContent>(tree, {
    leaf(inode) {
      if (inode.type !== 'file') return markLeaf<ReadableContent>(inode);
      const { content } = inode;
      return markLeaf({ ...inode, content: { read: () => readFileIn(path, content.path) } });
    },
    directory: (inode, children): Extract<Inode<ReadableContent>, { type: 'directory' }> =>
      markDirectory(inode, children),
  });
  return { tree: validateTree<ReadableContent>(root) };
}

function refuseSteering({ inode, path }: Node<PathContent>, upper: string): void {
  const name = steering.find(each => inode.xattrs.has(each));
  if (name === undefined) return;
  throw new SnapshotError(
    'unsupported',
    `${upper}: /${printable(path)} has ${name}, which means nothing in a layer`,
    {
      detail: { path: printable(path), upper, name },
      hint: 'mount snapshots with redirect_dir=nofollow and metacopy=off, as their mounts say',
    },
  );
}
