/**
 * Squashfs 4.0, the read-only filesystem that Linux mounts: written and read, without knowing of images or layers.
 *
 * An image is, from front to back: superblock, compressor options, file data, then the tables that make a filesystem of
 * it: inodes, directories, fragments, exports (inode by number), ids, xattrs. doc/format/squashfs.md describes each.
 * Data comes first because nothing about it needs to be known beforehand, so a writer streams it as it arrives,
 * keeps a few words a file (`FileData`), and ends with the tables and, at last, the superblock:
 *
 *     write(96 bytes of room, compressorOptions(compression, level))
 *     … file data, which yields a Tree<FileData> and the fragment blocks …
 *     superblock = writeTables(output, tree, fragments, options)
 *     extend to paddedSize(output.position), then write the superblock at 0
 *
 * A validated tree goes in, so what can fail is only what squashfs has no room for (`unsupported`, with the path), and
 * what it rounds or leaves out (time, xattrs) is warned of. The same tree and data give the same bytes.
 *
 * `openSquashfs` reads images by any writer: the whole tree, or single paths without the rest of it. Images come from
 * outside; whatever is wrong with one is a SquashfsError, and memory stays within a budget.
 */

export { bytesSource, type ImageSource } from '../bytes/image-source.ts';
export { BlockWriter, type BlockWriterOptions } from './block-writer.ts';
export { compressorOptions, type SquashfsCompression } from './compressor.ts';
export type { ReadContent } from './content-writer.ts';
export { emptyFile, type FileData, type FragmentBlock } from './data.ts';
export type { StoredEntry } from './directory-reader.ts';
export { SquashfsError } from './error.ts';
export { type OpenOptions, openSquashfs, type SquashfsImage } from './image.ts';
export type { StoredDirectory, StoredFile, StoredInode } from './inode-reader.ts';
export { type Superblock, superblockSize } from './layout.ts';
export type { TableOutput } from './metadata-writer.ts';
export { paddedSize, type TableOptions, writeTables } from './table-writer.ts';
export { TreeImage, type TreeImageOptions, type TreeImageOutput } from './tree-image.ts';
