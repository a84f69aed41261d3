import { createBlockDecompressor } from '../bytes/codec/block.ts';
import type { BlockDecompressor } from '../bytes/codec/types.ts';
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
import { type CompressorName, type CompressorOptions, findCompressorOptions } from './compressor.ts';
import type { FileData } from './data.ts';
import { DataReader } from './data-reader.ts';
import { findRun, readListing, type StoredEntry } from './directory-reader.ts';
import { SquashfsError } from './error.ts';
import { readInode, type StoredDirectory, type StoredInode } from './inode-reader.ts';
import { exportEntry, fragmentEntry, idEntry, type Superblock, squashfsFlags, superblock } from './layout.ts';
import { corrupt, type LookupTable, MetadataReader } from './metadata-reader.ts';
import { readSuperblock } from './superblock-reader.ts';
import { XattrReader } from './xattr-reader.ts';

export interface OpenOptions {
  /** About how much memory an image's metadata may take at once, in bytes; 2 GiB when absent. */
  readonly treeBytes?: number;
}

const defaultTreeBytes = 2 * 1024 ** 3;
/** What a name in a directory costs in memory, apart from its inode. */
const entryCost = 64;

/**
 * An open image. Everything it hands out has been checked; what is wrong with an image shows as SquashfsError `corrupt`,
 * with the table and the byte, at the latest when the part in question is read.
 */
export interface SquashfsImage extends Disposable {
  readonly superblock: Superblock;
  readonly compressor: CompressorName;
  /** What the image says about its compression; undefined when it says nothing. */
  readonly compressorOptions: CompressorOptions | undefined;
  readonly root: StoredDirectory;
  /** The whole tree. `exhausted` when it takes more than `treeBytes`. */
  tree(): Tree<FileData>;
  /**
   * The inode at a path, symlinks not followed; reads only the directories on the way, and of large ones only the part
   * that the index names. Slashes at both ends do not matter, '' is the root. `not-found` when nothing is there.
   */
  lookup(path: ByteString): StoredInode;
  /** The inode of one name in a directory, found as `lookup` finds each of a path's; undefined when it is not there. */
  find(directory: StoredDirectory, name: ByteString): StoredInode | undefined;
  /** What stands in a directory, in the image's order, which is the byte order of the names. */
  list(directory: StoredDirectory): Iterable<StoredEntry>;
  /** An inode by its reference, as entries and the export table have it. */
  inode(reference: number): StoredInode;
  /** A file's content, a block at a time, holes as zeros. Takes a tree's file inodes as well as stored ones. */
  read(file: { readonly size: number; readonly content: FileData }): Iterable<Uint8Array>;
  xattrs(inode: StoredInode): Xattrs;
  /** Inode references by number - 1; undefined when the image was made without. */
  readonly exports: LookupTable<{ readonly reference: number }> | undefined;
  /** Frees native memory; the source stays open. */
  close(): void;
}

/**
 * Opens an image by any writer with gzip, xz, lz4 or zstd. `invalid` when the source is no squashfs at all;
 * `unsupported` for other versions and for lzma and lzo, which no Linux distribution builds by default.
 */
export function openSquashfs(source: ImageSource, options: OpenOptions = {}): SquashfsImage {
  const { compressorName, ...fields } = readSuperblock(source);
  if (compressorName === 'lzma' || compressorName === 'lzo') {
    throw new SquashfsError(
      'unsupported',
      `the image is compressed with ${compressorName}, which is not read`,
      {
        detail: { compressor: compressorName },
        hint: 'make it anew with zstd or gzip',
      },
    );
  }
  const decompressor = createBlockDecompressor(compressorName);
  try {
    return new Image(source, fields, compressorName, decompressor, options.treeBytes ?? defaultTreeBytes);
  } catch (error) {
    decompressor.close();
    throw error;
  }
}

class Image implements SquashfsImage {
  readonly superblock: Superblock;
  readonly compressor: CompressorName;
  readonly compressorOptions: CompressorOptions | undefined;
  readonly root: StoredDirectory;
  readonly exports: LookupTable<{ readonly reference: number }> | undefined;
  readonly #decompressor: BlockDecompressor;
  readonly #metadata: MetadataReader;
  readonly #ids: LookupTable<{ readonly id: number }>;
  readonly #knownIds: number[] = [];
  readonly #xattrs: XattrReader | undefined;
  readonly #data: DataReader;
  readonly #treeBytes: number;
  readonly #directoryEnd: number;

  constructor(
    source: ImageSource,
    fields: Superblock,
    compressor: CompressorName,
    decompressor: BlockDecompressor,
    treeBytes: number,
  ) {
    const { bytesUsed, fragmentTable, fragmentCount, exportTable, idTable, xattrTable } = fields;
    this.superblock = fields;
    this.compressor = compressor;
    this.#decompressor = decompressor;
    this.#treeBytes = treeBytes;
    const metadata = new MetadataReader(source, decompressor);
    this.#metadata = metadata;
    this.#directoryEnd = Math.min(
      ...[fragmentTable, exportTable, idTable, xattrTable, bytesUsed].filter(
        position => position !== undefined,
      ),
    );
    this.compressorOptions =
      Math.floor(fields.flags / squashfsFlags.compressorOptions) % 2 === 0
        ? undefined
        : findCompressorOptions(compressor, metadata.block('superblock', superblock.size, bytesUsed).bytes);
    this.#ids = metadata.lookupTable('id', idEntry, fields.idCount, idTable, bytesUsed);
    if (xattrTable !== undefined) {
      this.#xattrs = new XattrReader(source, metadata, xattrTable, bytesUsed);
    }
    if (exportTable !== undefined) {
      this.exports = metadata.lookupTable('export', exportEntry, fields.inodeCount, exportTable, bytesUsed);
    }
    const fragments =
      fragmentTable === undefined || fragmentCount === 0
        ? undefined
        : metadata.lookupTable('fragment', fragmentEntry, fragmentCount, fragmentTable, bytesUsed);
    this.#data = new DataReader(source, decompressor, fields.blockSize, fields.inodeTable, fragments);
    const root = this.inode(fields.rootInode);
    if (root.type !== 'directory') throw corrupt('inode', fields.inodeTable, `the root is a ${root.type}`);
    this.root = root;
  }

  inode(reference: number): StoredInode {
    return this.#inode(reference, new Budget(this.#treeBytes));
  }

  list(directory: StoredDirectory): Iterable<StoredEntry> {
    return this.#listing(directory.listingStart, directory.listingOffset, directory.listingSize);
  }

  lookup(path: ByteString): StoredInode {
    let inode: StoredInode = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      const found: StoredInode | undefined = inode.type === 'directory' ? this.find(inode, name) : undefined;
      if (found === undefined) {
        throw new SquashfsError('not-found', `there is no ${printable(path)} in the image`, {
          detail: { path, name },
        });
      }
      inode = found;
    }
    return inode;
  }

  find(directory: StoredDirectory, name: ByteString): StoredInode | undefined {
    const entry = this.#find(directory, name);
    return entry === undefined ? undefined : this.#entryInode(entry, new Budget(this.#treeBytes));
  }

  xattrs(inode: StoredInode): Xattrs {
    return this.#xattrSet(inode.xattrs, new Budget(this.#treeBytes));
  }

  read(file: { readonly size: number; readonly content: FileData }): Iterable<Uint8Array> {
    return file.size === 0 ? [] : this.#data.read(file.size, file.content);
  }

  tree(): Tree<FileData> {
    const budget = new Budget(this.#treeBytes);
    const sets = new Map<number, Xattrs>();
    const xattrs = (set: number | undefined): Xattrs => {
      if (set === undefined) return noXattrs;
      const known = sets.get(set) ?? this.#xattrSet(set, budget);
      sets.set(set, known);
      return known;
    };
    const root = directoryOf(this.root, xattrs(this.root.xattrs));
    const known = new Map<number, { readonly reference: number; readonly inode: Inode<FileData> }>();
    known.set(this.root.number, { reference: this.root.reference, inode: root.inode });
    const pending = [root];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const { stored, children } = directory;
      for (const entry of this.list(stored)) {
        budget.charge(entryCost + entry.name.length);
        if (children.has(entry.name)) throw this.#bad(stored, `two entries ${printable(entry.name)}`);
        const other = known.get(entry.number);
        if (other !== undefined) {
          if (other.reference !== entry.reference) throw this.#bad(stored, `two inodes ${entry.number}`);
          if (other.inode.type === 'directory') {
            throw this.#bad(
              stored,
              `directory ${printable(entry.name)} stands in two directories or in itself`,
            );
          }
          if (other.inode.type !== entry.type)
            throw this.#bad(stored, `an entry of type ${entry.type} is none`);
          children.set(entry.name, other.inode);
          continue;
        }
        const child = this.#entryInode(entry, budget);
        const set = xattrs(child.xattrs);
        let inode: Inode<FileData>;
        if (child.type === 'directory') {
          const below = directoryOf(child, set);
          pending.push(below);
          inode = below.inode;
        } else inode = inodeOf(child, set);
        known.set(entry.number, { reference: entry.reference, inode });
        children.set(entry.name, inode);
      }
    }
    return validateTree(root.inode);
  }

  close(): void {
    this.#decompressor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #inode(reference: number, budget: Budget): StoredInode {
    const { inodeTable, directoryTable, blockSize, inodeCount } = this.superblock;
    const position = inodeTable + Math.floor(reference / 0x10000);
    return readInode(
      reference,
      () => this.#metadata.cursor('inode', position, reference % 0x10000, directoryTable),
      { blockSize, inodeCount, budget, tableBytes: directoryTable - inodeTable, id: this.#id },
    );
  }

  #entryInode(entry: StoredEntry, budget: Budget): StoredInode {
    const inode = this.#inode(entry.reference, budget);
    if (inode.number !== entry.number || inode.type !== entry.type) {
      const what = `${entry.type} ${entry.number}, but the inode is ${inode.type} ${inode.number}`;
      throw corrupt('directory', this.superblock.directoryTable, `${printable(entry.name)} names ${what}`);
    }
    return inode;
  }

  #listing(start: number, offset: number, size: number): Iterable<StoredEntry> {
    const position = this.superblock.directoryTable + start;
    return readListing(this.#metadata.cursor('directory', position, offset, this.#directoryEnd), size);
  }

  #find(directory: StoredDirectory, name: ByteString): StoredEntry | undefined {
    const { position, offset } = directory.index;
    const index = this.#metadata.cursor('inode', position, offset, this.superblock.directoryTable);
    const run = findRun(index, directory, name);
    for (const entry of this.#listing(run.start, run.offset, run.size)) {
      if (entry.name === name) return entry;
      if (entry.name > name) return undefined;
    }
    return undefined;
  }

  #xattrSet(set: number | undefined, budget: Budget): Xattrs {
    // Like the kernel: an image without the table has no xattrs, whatever its inodes say.
    return set === undefined || this.#xattrs === undefined ? noXattrs : this.#xattrs.read(set, budget);
  }

  #bad(directory: StoredDirectory, what: string): SquashfsError {
    return corrupt('directory', this.superblock.directoryTable + directory.listingStart, what);
  }

  readonly #id = (index: number): number => {
    const known = this.#knownIds[index];
    if (known !== undefined) return known;
    const { id } = this.#ids.entry(index);
    this.#knownIds[index] = id;
    return id;
  };
}

function common(inode: StoredInode, xattrs: Xattrs) {
  const { mode, uid, gid } = inode;
  return { mode, uid, gid, mtime: { seconds: inode.mtime, nanoseconds: 0 }, xattrs };
}

function directoryOf(stored: StoredDirectory, xattrs: Xattrs) {
  const children = new Map<ByteString, Inode<FileData>>();
  const inode: Inode<FileData> = { ...common(stored, xattrs), type: 'directory', children };
  return { stored, children, inode };
}

function inodeOf(stored: Exclude<StoredInode, StoredDirectory>, xattrs: Xattrs): Inode<FileData> {
  const fields = common(stored, xattrs);
  switch (stored.type) {
    case 'file':
      return { ...fields, type: 'file', size: stored.size, content: stored.content };
    case 'symlink':
      return { ...fields, type: 'symlink', target: stored.target };
    case 'block':
    case 'character':
      return { ...fields, type: stored.type, major: stored.major, minor: stored.minor };
    case 'fifo':
    case 'socket':
      return { ...fields, type: stored.type };
  }
}
