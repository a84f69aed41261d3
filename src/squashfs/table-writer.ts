import type { BlockCompressor } from '../bytes/codec/types.ts';
import type { Warnings } from '../error/index.ts';
import type { Tree } from '../tree/index.ts';
import { compressorId, compressorOptions, type SquashfsCompression } from './compressor.ts';
import type { FileData, FragmentBlock } from './data.ts';
import { type InodePlaces, type Listing, writeListing } from './directory-writer.ts';
import { SquashfsError } from './error.ts';
import { IdWriter } from './id-writer.ts';
import { type InodeContext, writeInode } from './inode-writer.ts';
import {
  deviceBlockSize,
  exportEntry,
  fragmentEntry,
  maxBlockSize,
  minBlockSize,
  squashfsFlags,
  squashfsMagic,
  superblock,
} from './layout.ts';
import { MetadataWriter, type TableOutput, writeLookupTable } from './metadata-writer.ts';
import { XattrWriter } from './xattr-writer.ts';

export interface TableOptions {
  readonly compression: SquashfsCompression;
  /** Of `compressor`; its codec's default when absent. Only told: an image says how it was made. */
  readonly level?: number | undefined;
  /** Compresses metadata blocks; not used with `none`, needed with all others. */
  readonly compressor?: BlockCompressor | undefined;
  /** A power of two from 4 KiB to 1 MiB. */
  readonly blockSize: number;
  /** Of the image, in seconds since 1970; clamped into 32 bits. */
  readonly modificationTime: number;
  /** Writes the table that NFS needs; so does every other writer unless told otherwise. */
  readonly exportable?: boolean;
  /** Whether the data was stored without duplicates; true when absent. Only told. */
  readonly deduplicated?: boolean;
  /**
   * Writes a table of xattrs where no inode has any, too. Without one Linux answers listxattr(2) with EOPNOTSUPP, as of a
   * filesystem that knows no xattrs, which programs that compare trees take for a failure (containerd's differ).
   */
  readonly alwaysXattrs?: boolean;
  readonly warnings: Warnings;
}

/**
 * Writes everything that follows the data, and returns the superblock for the image's first 96 bytes. Before the data
 * the caller must have written `compressorOptions(compression, level)`, right behind the room for the superblock;
 * afterwards it pads the image to `paddedSize(output.position)`. Deterministic, and linear in entries and blocks.
 * Throws SquashfsError `unsupported` for what the format cannot hold; nothing that was written is of use then.
 */
export function writeTables(
  output: TableOutput,
  tree: Tree<FileData>,
  fragments: readonly FragmentBlock[],
  options: TableOptions,
): Uint8Array {
  const { blockSize, warnings } = options;
  const blockLog = checkBlockSize(blockSize);
  const compressor = options.compression === 'none' ? undefined : options.compressor;
  if (options.compression !== 'none' && compressor === undefined) {
    throw new SquashfsError('internal', `no compressor was given for ${options.compression}`);
  }
  const ids = new IdWriter();
  const xattrs = new XattrWriter(compressor, warnings);
  const inodes = new MetadataWriter(compressor);
  const directories = new MetadataWriter(compressor);
  const context = { table: inodes, ids, xattrs, warnings, blockSize, fragmentCount: fragments.length };
  const places = writeTree(tree, context, directories);

  const inodeTable = output.position;
  inodes.flush(output);
  const directoryTable = output.position;
  directories.flush(output);
  const fragmentTable = fragments.length === 0 ? undefined : writeFragments(output, fragments, compressor);
  const exportTable = options.exportable === false ? undefined : writeExports(output, places, compressor);
  const idWriter = new MetadataWriter(compressor);
  ids.write(idWriter);
  const idTable = writeLookupTable(output, idWriter);
  if (options.alwaysXattrs) xattrs.fill();
  const xattrTable = xattrs.isEmpty ? undefined : xattrs.write(output);

  const bytes = new Uint8Array(superblock.size);
  superblock.write(bytes, 0, {
    magic: squashfsMagic,
    inodeCount: tree.nodes.length,
    modificationTime: Math.min(Math.max(Math.floor(options.modificationTime), 0), 0xffffffff),
    blockSize,
    fragmentCount: fragments.length,
    compressor: compressorId(options.compression),
    blockLog,
    flags: flags(options, tree, fragments, xattrs.isEmpty),
    idCount: ids.count,
    versionMajor: 4,
    versionMinor: 0,
    rootInode: places.references[tree.root.index]!,
    bytesUsed: output.position,
    idTable,
    xattrTable,
    inodeTable,
    directoryTable,
    fragmentTable,
    exportTable,
  });
  return bytes;
}

/** How long the image's file must be: block devices are read in units of 4 KiB. */
export function paddedSize(bytesUsed: number): number {
  return Math.ceil(bytesUsed / deviceBlockSize) * deviceBlockSize;
}

/**
 * Puts a directory's inodes next to each other, numbers and places both, so that its listing needs few headers and
 * reading it touches few blocks: directories come last first, each with the inodes of all that stands in it, then its
 * listing. What a directory holds is thus written before its own inode, which its parent writes.
 */
function writeTree(tree: Tree<FileData>, context: InodeContext, directories: MetadataWriter): InodePlaces {
  const inodes = context.table;
  const { nodes, root } = tree;
  const numbers = new Uint32Array(nodes.length);
  const references = new Float64Array(nodes.length).fill(-1);
  let last = 0;
  for (let index = nodes.length - 1; index >= 0; index--) {
    for (const { node } of nodes[index]!.entries) {
      if (numbers[node.index] === 0) numbers[node.index] = ++last;
    }
  }
  numbers[root.index] = ++last;

  const places = { numbers, references };
  const listings = new Map<number, Listing>();
  for (let index = nodes.length - 1; index >= 0; index--) {
    const directory = nodes[index]!;
    if (directory.inode.type !== 'directory') continue;
    const parent = numbers[index]!;
    for (const { node } of directory.entries) {
      if (references[node.index]! >= 0) continue;
      references[node.index] = inodes.reference;
      const listing = listings.get(node.index);
      const place = listing === undefined ? undefined : { listing, parent };
      writeInode(context, node, numbers[node.index]!, place);
      listings.delete(node.index);
    }
    listings.set(index, writeListing(directories, directory.entries, places));
  }
  references[root.index] = inodes.reference;
  // The root has no parent inside the image; like squashfs-tools, name a number that no inode has.
  writeInode(context, root, last, { listing: listings.get(root.index)!, parent: last + 1 });
  return places;
}

function writeFragments(
  output: TableOutput,
  fragments: readonly FragmentBlock[],
  compressor: BlockCompressor | undefined,
): number {
  const table = new MetadataWriter(compressor);
  for (const { start, size } of fragments) table.put(fragmentEntry, { start, size, unused: 0 });
  return writeLookupTable(output, table);
}

/** By inode number, which begins at 1. */
function writeExports(
  output: TableOutput,
  { numbers, references }: InodePlaces,
  compressor: BlockCompressor | undefined,
): number {
  const byNumber = new Float64Array(references.length);
  for (let index = 0; index < numbers.length; index++) byNumber[numbers[index]! - 1] = references[index]!;
  const table = new MetadataWriter(compressor);
  for (const reference of byNumber) table.put(exportEntry, { reference });
  return writeLookupTable(output, table);
}

function checkBlockSize(blockSize: number): number {
  const log = Math.log2(blockSize);
  if (Number.isInteger(log) && blockSize >= minBlockSize && blockSize <= maxBlockSize) return log;
  throw new SquashfsError('invalid', `a block size of ${blockSize} bytes`, {
    detail: { blockSize },
    hint: 'it must be a power of two from 4096 to 1048576',
  });
}

/** All but `compressorOptions` only tell how the image was made. */
function flags(
  options: TableOptions,
  tree: Tree<FileData>,
  fragments: readonly FragmentBlock[],
  noXattrs: boolean,
): number {
  const { compression, level } = options;
  const f = squashfsFlags;
  let bits = 0;
  if (compression === 'none') {
    bits |= f.uncompressedInodes | f.uncompressedData | f.uncompressedFragments;
    bits |= f.uncompressedXattrs | f.uncompressedIds;
  }
  if (fragments.length === 0) bits |= f.noFragments;
  else if (tree.nodes.some(isTailPacked)) bits |= f.alwaysFragments;
  if (options.deduplicated !== false) bits |= f.duplicates;
  if (options.exportable !== false) bits |= f.exportable;
  if (noXattrs) bits |= f.noXattrs;
  if (compressorOptions(compression, level).length > 0) bits |= f.compressorOptions;
  return bits;
}

/** Whether a file of more than one block has its end in a fragment: without "always", only small files have. */
function isTailPacked({ inode }: Tree<FileData>['root']): boolean {
  return (
    inode.type === 'file' &&
    inode.size > 0 &&
    inode.content.blocks.length > 0 &&
    inode.content.fragment !== undefined
  );
}
