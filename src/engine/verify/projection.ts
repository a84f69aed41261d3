import type { ByteString, NodeInode, Timestamp, Xattrs } from '../../tree/index.ts';
import type { ArtifactFormat } from './artifact.ts';

/** What is left of an inode's metadata in a format that cannot hold all of it; only what is named here may be lost. */
export interface Projection {
  mode(inode: NodeInode<unknown>): number;
  mtime(inode: NodeInode<unknown>): Timestamp;
  /** Whether the format can hold this user or group. */
  holdsId(id: number): boolean;
  /** Whether the format holds this attribute of such an inode. */
  keeps(inode: NodeInode<unknown>, name: ByteString, value: Uint8Array): boolean;
}

const exact: Projection = {
  mode: ({ mode }) => mode,
  mtime: ({ mtime }) => mtime,
  holdsId: () => true,
  keeps: () => true,
};

/** Seconds in 32 bits without sign, and what Linux can ask for of three namespaces. */
const squashfs: Projection = {
  ...exact,
  mtime: ({ mtime }) => ({ seconds: Math.min(Math.max(mtime.seconds, 0), 0xffffffff), nanoseconds: 0 }),
  keeps: (_, name, value) =>
    /^(user|trusted|security)\.[^\0]+$/s.test(name) && name.length <= 255 && value.length <= 65536,
};

/** Times exactly, and what EROFS has a number for. */
const erofs: Projection = {
  ...exact,
  keeps: (_, name, value) =>
    (/^(user|trusted|security)\.[^\0]+$/s.test(name) ||
      name === 'system.posix_acl_access' ||
      name === 'system.posix_acl_default') &&
    name.length <= 255 &&
    value.length <= 65535,
};

/** chown(2) takes it for "leave it as it is", so no file belongs to it. */
const noId = 0xffffffff;

/**
 * Linux has no modes of symlinks, no `user.*` on what is neither file nor directory (xattr(7)), and no setuid program of
 * an owner that cannot be.
 */
function directory(root: boolean): Projection {
  return {
    ...exact,
    mode: ({ type, mode, uid, gid }) => {
      if (type === 'symlink') return 0o777;
      if (type === 'directory') return mode;
      return mode & ~(uid === noId ? 0o4000 : 0) & ~(gid === noId ? 0o2000 : 0);
    },
    holdsId: id => id !== noId,
    keeps: ({ type }, name, value) => {
      if (name.startsWith('user.')) return type === 'file' || type === 'directory';
      if (name.startsWith('trusted.')) return root;
      return name !== 'security.capability' || isCapability(value);
    },
  };
}

/** The kernel takes no others: VFS_CAP_REVISION_2 and _3 with their sizes (linux/capability.h). */
function isCapability(value: Uint8Array): boolean {
  return (value.length === 20 && value[3] === 2) || (value.length === 24 && value[3] === 3);
}

/** `root`: whether who reads a directory sees all of it. */
export function projectionOf(format: ArtifactFormat, root: boolean): Projection {
  switch (format) {
    case 'squashfs':
      return squashfs;
    case 'erofs':
    case 'stack':
      return erofs;
    case 'tar':
      return exact;
    case 'directory':
      return directory(root);
  }
}

export function projectXattrs(projection: Projection, inode: NodeInode<unknown>): Xattrs {
  const { xattrs } = inode;
  if (xattrs.size === 0) return xattrs;
  const kept = [...xattrs].filter(([name, value]) => projection.keeps(inode, name, value));
  return kept.length === xattrs.size ? xattrs : new Map(kept);
}
