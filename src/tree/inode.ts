/**
 * A string whose every character is one byte (U+0000–U+00FF): a path, a name, a symlink's target or an xattr's
 * name, exactly as the layer has it. JavaScript compares such strings in byte order, hashes them as Map keys and
 * stores them in one byte a character. `printable()` turns one into text for people.
 */
export type ByteString = string;

export interface Timestamp {
  /** Whole seconds since the epoch, rounded down; may be negative. A safe integer. */
  readonly seconds: number;
  /** 0 to 999 999 999, always counted upwards from `seconds`. */
  readonly nanoseconds: number;
}

/** By name; an empty value is a value. Insertion order is not significant: writers sort by name. */
export type Xattrs = ReadonlyMap<ByteString, Uint8Array>;

interface Common {
  /** The lower 12 bits of st_mode: permissions, setuid, setgid, sticky. */
  readonly mode: number;
  /** 0 to 2^32-1. */
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: Xattrs;
}

/** `C` says where the content lies; a tree does not care. */
export interface FileInode<C> extends Common {
  readonly type: 'file';
  /** In bytes, holes expanded. */
  readonly size: number;
  /** Where the bytes are; meaningless when size is 0. */
  readonly content: C;
}
export interface DirectoryInode<C> extends Common {
  readonly type: 'directory';
  readonly children: ReadonlyMap<ByteString, Inode<C>>;
}
export interface SymlinkInode extends Common {
  readonly type: 'symlink';
  readonly target: ByteString;
}
export interface DeviceInode extends Common {
  readonly type: 'block' | 'character';
  readonly major: number;
  readonly minor: number;
}
export interface PipeInode extends Common {
  readonly type: 'fifo' | 'socket';
}

/** One object is one inode: a file that stands under several names in a tree is a hardlink group. */
export type Inode<C> = FileInode<C> | DirectoryInode<C> | SymlinkInode | DeviceInode | PipeInode;
export type InodeType = Inode<unknown>['type'];

export const noXattrs: Xattrs = new Map();
