/**
 * EROFS, the read-only filesystem that Linux mounts from files and block devices: written and read, without knowing of images
 * or layers.
 *
 * An image is, from front to back: the head (superblock, compression configurations, device table, prefixes of xattrs),
 * file data, shared xattrs, blocks of directories, inodes. doc/format/erofs.md describes each. Inodes say where data is by
 * block numbers, so data comes first and is streamed as it arrives; the writer keeps a few words a file (`FileData`) and
 * ends with the metadata, of which directories know all inodes' places, and at last with the head:
 *
 *     leave headSize(options) bytes free
 *     … file data in whole blocks, which yields a Tree<FileData>; `inlineTail` says what stays out of them …
 *     { head } = writeErofs(output, tree, options)
 *     write the head at 0
 *
 * Metadata is emitted by one routine, which runs twice: over an output that only measures, then over one that writes. Inodes
 * get their places in between (`Placement`). A file may also lie in other images, the extra devices, which Linux is given at
 * the mount: so an image of nothing but metadata can show what others hold.
 *
 * A validated tree goes in, so what can fail is only what EROFS has no room for (`unsupported`, with the path), and
 * what it leaves out (xattrs) is warned of. The same tree, data and identity give the same bytes.
 *
 * `openErofs` reads images by any writer: the whole tree, or single paths without the rest of it. Images come from
 * outside; whatever is wrong with one is an ErofsError, and memory stays within a budget.
 */

export { bytesSource, type ImageSource } from '../bytes/image-source.ts';
export { Budget as TreeBudget } from './budget.ts';
export type { ClusterExtent, FragmentExtent, StoredExtent } from './cluster-index.ts';
export { type ErofsAlgorithm, emptyFile, type FileData, hole } from './data.ts';
export type { Extent, OpenDevice } from './data-reader.ts';
export type { StoredEntry } from './directory-block.ts';
export { ErofsError } from './error.ts';
export { FileLayout, type Segment, singleChunk, sparseChunkBytes } from './file-layout.ts';
export { type ErofsImage, type OpenOptions, openErofs, type ReadableFile, type TreeData } from './image.ts';
export { type ErofsImageParts, type ErofsOptions, writeErofs } from './image-writer.ts';
export type { StoredDirectory, StoredFile, StoredInode } from './inode-reader.ts';
export type { ErofsOutput } from './metadata-output.ts';
export { inlineTail } from './placement.ts';
export type { DeviceSlot, StoredSuperblock } from './superblock-reader.ts';
export { type ErofsDevice, type HeadOptions, headSize } from './superblock-writer.ts';
