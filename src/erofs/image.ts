import type { ImageSource } from '../bytes/image-source.ts';
import {
  type ByteString,
  type Inode,
  noXattrs,
  printable,
  type Tree,
  validateTree,
  type Xattrs,
} from '../tree/index.ts';
import { Budget } from './budget.ts';
import type { ClusterExtent } from './cluster-index.ts';
import { ClusterReader } from './cluster-reader.ts';
import type { FileData } from './data.ts';
import { DataReader, type Extent, type OpenDevice } from './data-reader.ts';
import type { StoredEntry } from './directory-block.ts';
import { DirectoryReader } from './directory-reader.ts';
import { ErofsError } from './error.ts';
import {
  type ChunkTable,
  type ClusterTable,
  readInode,
  type StoredDirectory,
  type StoredFile,
  type StoredInline,
  type StoredInode,
} from './inode-reader.ts';
import { incompatible } from './layout.ts';
import { corrupt, MetadataReader } from './metadata-reader.ts';
import { readSuperblock, type StoredSuperblock } from './superblock-reader.ts';
import { XattrReader } from './xattr-reader.ts';

export interface OpenOptions {
  /** Extra devices, from device 1 on, or who finds them. They are asked for when a file's content is read, not before. */
  readonly devices?: readonly ImageSource[] | OpenDevice;
  /** About how much memory an image's metadata may take at once, in bytes; 2 GiB when absent. */
  readonly treeBytes?: number;
}

const defaultTreeBytes = 2 * 1024 ** 3;
/** What a name in a directory costs in memory, apart from its inode. */
const entryCost = 64;
/** What an inode costs in memory, apart from what varies. */
const inodeCost = 256;

/** What a tree says of a file: the data of compressed ones is known to the reader alone. */
export type TreeData = FileData | ClusterTable;
/** A file whose content can be read: a stored inode, or one of a tree. */
export interface ReadableFile {
  readonly size: number;
  readonly content: TreeData | StoredInline | ChunkTable;
}

/**
 * An open image. Everything it hands out has been checked; what is wrong with an image shows as ErofsError `corrupt`,
 * with the table and the byte, at the latest when the part in question is read. Counts of links are told as they stand.
 */
export interface ErofsImage extends Disposable {
  readonly superblock: StoredSuperblock;
  readonly root: StoredDirectory;
  /** The whole tree. `exhausted` when it takes more than `treeBytes`, or than is left of what several images share. */
  tree(budget?: Budget): Tree<TreeData>;
  /**
   * The inode at a path, symlinks not followed; of directories only the blocks on the way are read. Slashes at both ends do
   * not matter, '' is the root. `not-found` when nothing is there.
   */
  lookup(path: ByteString): StoredInode;
  /** The inode of one name in a directory; undefined when it is not there. */
  find(directory: StoredDirectory, name: ByteString): StoredInode | undefined;
  /** What stands in a directory but `.` and `..`, in byte order of the names. */
  list(directory: StoredDirectory): Iterable<StoredEntry>;
  /** An inode by its number. */
  inode(nid: number): StoredInode;
  /** The inode that a directory's entry names, which must be of the entry's type. */
  entryInode(entry: StoredEntry): StoredInode;
  /** A file's content, at most 1 MiB at a time, holes as zeros. Takes a tree's file inodes as well as stored ones. */
  read(file: ReadableFile): Iterable<Uint8Array>;
  /** Where a file's bytes lie, in the file's order. `unsupported` for compressed ones. */
  extents(file: ReadableFile): Iterable<Extent>;
  /** The same of a compressed file; nothing for others. */
  clusters(file: ReadableFile): Iterable<ClusterExtent>;
  xattrs(inode: StoredInode): Xattrs;
  /** Frees native memory; the sources stay open. */
  close(): void;
}

/**
 * Opens an image by any writer. `invalid` when the source is no EROFS at all; `unsupported` for features that the format got
 * in 2025 (48-bit addresses, compressed metadata) and for unknown ones, by their bits.
 */
export function openErofs(source: ImageSource, options: OpenOptions = {}): ErofsImage {
  return new Image(source, readSuperblock(source), options);
}

class Image implements ErofsImage {
  readonly superblock: StoredSuperblock;
  readonly root: StoredDirectory;
  readonly #metadata: MetadataReader;
  readonly #data: DataReader;
  readonly #clusters: ClusterReader;
  readonly #directories: DirectoryReader;
  readonly #xattrs: XattrReader;
  readonly #treeBytes: number;

  constructor(source: ImageSource, superblock: StoredSuperblock, options: OpenOptions) {
    this.superblock = superblock;
    this.#treeBytes = options.treeBytes ?? defaultTreeBytes;
    this.#metadata = new MetadataReader(source);
    const { devices = [] } = options;
    const openDevice: OpenDevice =
      typeof devices === 'function' ? devices : (_, number) => devices[number - 1];
    this.#data = new DataReader(source, openDevice, superblock, this.#metadata);
    const hasPacked = hasFeature(superblock, incompatible.fragments) && superblock.packedNid > 0;
    const openPacked = () => (hasPacked ? this.#packed(superblock.packedNid) : undefined);
    const budget = new Budget(this.#treeBytes);
    this.#clusters = new ClusterReader(this.#data, this.#metadata, superblock, openPacked, budget);
    const inPacked = (position: number, size: number) => this.#clusters.packedBytes(position, size);
    this.#xattrs = new XattrReader(this.#metadata, superblock, hasPacked ? inPacked : undefined);
    const { blockSize } = superblock;
    const read = (directory: StoredDirectory) => this.read(directory);
    this.#directories = new DirectoryReader({ metadata: this.#metadata, blockSize, read });
    const root = this.inode(superblock.rootNid);
    if (root.type !== 'directory') throw corrupt('inode', root.position, `the root is a ${root.type}`);
    this.root = root;
  }

  inode(nid: number): StoredInode {
    const inode = readInode(this.#metadata, this.superblock, nid);
    if (inode.type !== 'symlink') return inode;
    const { size, content, ...common } = inode;
    const target = Buffer.concat([...this.read({ size, content })]).toString('latin1');
    if (target.includes('\0')) throw corrupt('symlink', inode.position, 'a target with a NUL');
    return { ...common, target };
  }

  entryInode({ name, nid, type }: StoredEntry): StoredInode {
    const inode = this.inode(nid);
    if (type === undefined || inode.type === type) return inode;
    throw corrupt('directory', inode.position, `${printable(name)} names a ${type}, and is a ${inode.type}`);
  }

  list(directory: StoredDirectory): Iterable<StoredEntry> {
    return this.#directories.entries(directory);
  }

  lookup(path: ByteString): StoredInode {
    let inode: StoredInode = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      const found: StoredInode | undefined = inode.type === 'directory' ? this.find(inode, name) : undefined;
      if (found === undefined) {
        throw new ErofsError('not-found', `there is no ${printable(path)} in the image`, {
          detail: { path, name },
        });
      }
      inode = found;
    }
    return inode;
  }

  find(directory: StoredDirectory, name: ByteString): StoredInode | undefined {
    if (name === '.' || name === '..') return undefined;
    const entry = this.#directories.find(directory, name);
    return entry === undefined ? undefined : this.entryInode(entry);
  }

  xattrs(inode: StoredInode): Xattrs {
    return this.#xattrsOf(inode, new Budget(this.#treeBytes));
  }

  read({ size, content }: ReadableFile): Iterable<Uint8Array> {
    if (size === 0) return [];
    if (content.kind === 'clusters' || content.kind === 'compressed') {
      return this.#clusters.read(size, content);
    }
    return this.#data.read(size, withTail(content));
  }

  extents({ size, content }: ReadableFile): Iterable<Extent> {
    if (size === 0) return [];
    if (content.kind === 'clusters' || content.kind === 'compressed') {
      throw new ErofsError('unsupported', 'a compressed file does not lie in the image as it is');
    }
    return this.#data.extents(size, withTail(content));
  }

  clusters({ size, content }: ReadableFile): Iterable<ClusterExtent> {
    const isCompressed = content.kind === 'clusters' || content.kind === 'compressed';
    return isCompressed ? this.#clusters.extents(size, content) : [];
  }

  tree(budget = new Budget(this.#treeBytes)): Tree<TreeData> {
    const root = directoryOf(this.root, this.root, this.#xattrsOf(this.root, budget));
    const known = new Map<number, Inode<TreeData>>([[this.root.nid, root.inode]]);
    const pending = [root];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const { stored, children } = directory;
      for (const entry of this.#directories.entries(stored, directory.parent)) {
        const { name, nid, type } = entry;
        budget.charge(entryCost + name.length);
        const other = known.get(nid);
        if (other !== undefined) {
          if (other.type === 'directory') {
            const what = `directory ${printable(name)} stands in two directories or in itself`;
            throw corrupt('directory', stored.position, what);
          }
          if (type !== undefined && other.type !== type) {
            throw corrupt('directory', stored.position, `${printable(name)} of type ${type} is none`);
          }
          children.set(name, other);
          continue;
        }
        budget.charge(inodeCost);
        const child = this.entryInode(entry);
        const xattrs = this.#xattrsOf(child, budget);
        let inode: Inode<TreeData>;
        if (child.type === 'directory') {
          const below = directoryOf(child, stored, xattrs);
          pending.push(below);
          inode = below.inode;
        } else inode = this.#inodeOf(child, xattrs, budget);
        known.set(nid, inode);
        children.set(name, inode);
      }
    }
    return validateTree(root.inode);
  }

  close(): void {
    this.#clusters.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #packed(nid: number): StoredFile {
    const inode = this.inode(nid);
    if (inode.type === 'file') return inode;
    throw corrupt('inode', inode.position, `the packed inode is a ${inode.type}`);
  }

  #xattrsOf({ xattrStart, xattrBytes }: StoredInode, budget: Budget): Xattrs {
    return xattrBytes === 0 ? noXattrs : this.#xattrs.read(xattrStart, xattrBytes, budget);
  }

  #inodeOf(stored: Exclude<StoredInode, StoredDirectory>, xattrs: Xattrs, budget: Budget): Inode<TreeData> {
    const fields = common(stored, xattrs);
    switch (stored.type) {
      case 'file':
        return { ...fields, type: 'file', size: stored.size, content: this.#treeData(stored, budget) };
      case 'symlink':
        budget.charge(stored.target.length);
        return { ...fields, type: 'symlink', target: stored.target };
      case 'block':
      case 'character':
        return { ...fields, type: stored.type, major: stored.major, minor: stored.minor };
      case 'fifo':
      case 'socket':
        return { ...fields, type: stored.type };
    }
  }

  #treeData({ size, content }: StoredFile, budget: Budget): TreeData {
    if (content.kind !== 'chunk table') return content;
    budget.charge(Math.ceil(size / content.chunkBytes) * 10);
    return this.#data.chunks(size, content);
  }
}

/** A tree's inline data are those that the reader has made, with the place of the tail. */
function withTail(content: Exclude<ReadableFile['content'], { kind: 'clusters' | 'compressed' }>) {
  if (content.kind !== 'inline') return content;
  if ('tail' in content) return content;
  throw new ErofsError('invalid', 'an inline file that no image has');
}

function hasFeature({ incompatible: bits }: StoredSuperblock, bit: number): boolean {
  return Math.floor(bits / bit) % 2 === 1;
}

function common(inode: StoredInode, xattrs: Xattrs) {
  const { mode, uid, gid, mtime } = inode;
  return { mode, uid, gid, mtime, xattrs };
}

function directoryOf(stored: StoredDirectory, parent: StoredDirectory, xattrs: Xattrs) {
  const children = new Map<ByteString, Inode<TreeData>>();
  const inode: Inode<TreeData> = { ...common(stored, xattrs), type: 'directory', children };
  return { stored, parent, children, inode };
}
