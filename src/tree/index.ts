/**
 * A filesystem's tree as plain values: inodes, names as bytes, xattrs. Formats read and write it, the merge engine
 * produces it; neither knows of the other.
 */

export {
  type ByteString,
  type DeviceInode,
  type DirectoryInode,
  type FileInode,
  type Inode,
  type InodeType,
  noXattrs,
  type PipeInode,
  type SymlinkInode,
  type Timestamp,
  type Xattrs,
} from './inode.ts';
export { byteString, printable } from './printable.ts';
export {
  type Entry,
  mapContent,
  type Node,
  type NodeInode,
  type Tree,
  TreeError,
  validateTree,
} from './tree.ts';
