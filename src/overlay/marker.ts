import type { ByteString, DeviceInode, NodeInode, Xattrs } from '../tree/index.ts';

/** Where OverlayFS keeps its state: `trusted` is its default, `user` is for mounts with `userxattr`. */
export type OverlayXattrs = 'trusted' | 'user';

const epoch = { seconds: 0, nanoseconds: 0 };

/** A name that hides what the layers below have under it. One inode does for all names of a tree. */
export const whiteout: DeviceInode = {
  type: 'character',
  mode: 0,
  uid: 0,
  gid: 0,
  mtime: epoch,
  xattrs: new Map(),
  major: 0,
  minor: 0,
};

export function isWhiteout(inode: NodeInode<unknown>): boolean {
  return inode.type === 'character' && inode.major === 0 && inode.minor === 0;
}

/** The directory hides all that the layers below have in it. */
export function markOpaque(xattrs: Xattrs, namespace: OverlayXattrs): Xattrs {
  return new Map([...xattrs, [`${namespace}.overlay.opaque`, Buffer.from('y')]]);
}

/**
 * The directory holds whiteouts. The kernel reads a directory that no layer below shares as it lies there, whiteouts and
 * all, unless it has an origin; an empty one says that the origin is not known.
 */
export function markOrigin(xattrs: Xattrs, namespace: OverlayXattrs): Xattrs {
  return new Map([...xattrs, [`${namespace}.overlay.origin`, new Uint8Array()]]);
}

export function hasOrigin({ xattrs }: NodeInode<unknown>): boolean {
  return xattrs.size > 0 && (xattrs.has('trusted.overlay.origin') || xattrs.has('user.overlay.origin'));
}

export function isOpaque({ type, xattrs }: NodeInode<unknown>): boolean {
  if (type !== 'directory' || xattrs.size === 0) return false;
  const value = xattrs.get('trusted.overlay.opaque') ?? xattrs.get('user.overlay.opaque');
  return value !== undefined && value.length === 1 && value[0] === 0x79;
}

/** Without OverlayFS's own, which it never shows. No layer has any to begin with (rule 10 of the merge). */
export function hideMarkers(xattrs: Xattrs): Xattrs {
  for (const name of xattrs.keys()) {
    if (isMarker(name)) return new Map([...xattrs].filter(([each]) => !isMarker(each)));
  }
  return xattrs;
}

/** Whether an xattr is one of OverlayFS's own. */
export function isMarker(name: ByteString): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}
