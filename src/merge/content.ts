import type { LayerDirectory, LayerEntry } from '../layer/index.ts';
import type { ByteString, DirectoryInode, Inode, Timestamp } from '../tree/index.ts';
import { noXattrs } from '../tree/index.ts';

/** Which record of which layer holds a file's bytes. */
export interface Content {
  /** Position of the layer; the oldest is 0. */
  readonly layer: number;
  /** Position of the LayerFile in the layer's index. */
  readonly entry: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A directory while layers are applied: one object from the moment it comes into being until it is gone. */
export type Directory = Mutable<Omit<DirectoryInode<Content>, 'children'>> & {
  readonly children: Map<ByteString, Inode<Content>>;
};

/** What a directory that no entry describes has (rules 7 and 8). */
export function createImpliedDirectory(mtime: Timestamp): Directory {
  return { type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime, xattrs: noXattrs, children: new Map() };
}

export function createDirectory(entry: LayerDirectory): Directory {
  const { mode, uid, gid, mtime, xattrs } = entry;
  return { type: 'directory', mode, uid, gid, mtime, xattrs, children: new Map() };
}

/** Rule 4: the upper's metadata; its xattrs replace the lower's. */
export function describeDirectory(directory: Directory, entry: LayerDirectory): void {
  directory.mode = entry.mode;
  directory.uid = entry.uid;
  directory.gid = entry.gid;
  directory.mtime = entry.mtime;
  directory.xattrs = entry.xattrs;
}

/** A record that brings a new inode which is not a directory. */
export type LeafEntry = Exclude<LayerEntry, { type: 'directory' | 'hardlink' | 'whiteout' | 'opaque' }>;

export function createLeaf(entry: LeafEntry, content: Content): Inode<Content> {
  const { mode, uid, gid, mtime, xattrs } = entry;
  switch (entry.type) {
    case 'file':
      return { type: 'file', mode, uid, gid, mtime, xattrs, size: entry.size, content };
    case 'symlink':
      return { type: 'symlink', mode, uid, gid, mtime, xattrs, target: entry.target };
    case 'block':
    case 'character':
      return { type: entry.type, mode, uid, gid, mtime, xattrs, major: entry.major, minor: entry.minor };
    case 'fifo':
      return { type: 'fifo', mode, uid, gid, mtime, xattrs };
  }
}
