import { isOpaque, isWhiteout, markOpaque, markOrigin, whiteout } from '../../../overlay/index.ts';
import {
  type ByteString,
  type DirectoryInode,
  type Inode,
  type Tree,
  validateTree,
  type Xattrs,
} from '../../../tree/index.ts';
import { type Directory, rebuild } from './rebuild.ts';

/** OverlayFS's xattrs that are of this mount; what stands behind the second prefix is of an overlay inside of it, escaped. */
const own = 'trusted.overlay.';
const escaped = 'trusted.overlay.overlay.';

/** Without OverlayFS's own. Those that programs have set in `user.overlay.` mean nothing to root's mounts, and stay. */
export function plainXattrs(xattrs: Xattrs): Xattrs {
  for (const name of xattrs.keys())
    if (isOwn(name)) return new Map([...xattrs].filter(([each]) => !isOwn(each)));
  return xattrs;
}

function isOwn(name: ByteString): boolean {
  return name.startsWith(own) && !name.startsWith(escaped);
}

/**
 * A directory of a layer with the marks that it needs and no others: that it is opaque, or else, if it holds whiteouts, an origin. The kernel's own
 * origins name inodes of another filesystem, and would make each layer's bytes another's.
 */
export function markDirectory<C>(
  inode: Directory,
  children: ReadonlyMap<ByteString, Inode<C>>,
  opaque = isOpaque(inode),
): DirectoryInode<C> {
  const plain = plainXattrs(inode.xattrs);
  const hasWhiteouts = [...children.values()].some(isWhiteout);
  if (!opaque) {
    return {
      ...inode,
      type: 'directory',
      xattrs: hasWhiteouts ? markOrigin(plain, 'trusted') : plain,
      children,
    };
  }
  // They would hide what is hidden anyway, and the kernel would list them.
  const left = hasWhiteouts ? new Map([...children].filter(([, child]) => !isWhiteout(child))) : children;
  return { ...inode, type: 'directory', xattrs: markOpaque(plain, 'trusted'), children: left };
}

/** All whiteouts of a layer are one inode: which of them the kernel has linked does not matter. */
export function markLeaf<C>(inode: Exclude<Inode<C>, DirectoryInode<C>>): Inode<C> {
  return isWhiteout(inode) ? whiteout : { ...inode, xattrs: plainXattrs(inode.xattrs) };
}

/** A layer with nothing below it: as it looks by itself. */
export function withoutMarks<C>(tree: Tree<C>): Tree<C> {
  const root = rebuild<C, C>(tree, {
    leaf: inode => (isWhiteout(inode) ? undefined : inode),
    directory: (inode, children) => ({
      ...inode,
      type: 'directory',
      xattrs: plainXattrs(inode.xattrs),
      children,
    }),
  });
  return validateTree(root);
}
