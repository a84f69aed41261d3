/** Where a regular file's bytes lie in a squashfs image. */
export interface FileData {
  /** Byte offset in the image of the first data block; 0 when there is none. */
  readonly start: number;
  /**
   * One word a full block, as the inode stores it: stored size in the low 24 bits, bit 24 set when the block is stored
   * uncompressed, 0 for a block of zeros.
   */
  readonly blocks: readonly number[];
  /** The tail (or the whole of a small file) inside a fragment block. */
  readonly fragment?: { readonly index: number; readonly offset: number } | undefined;
  /** Bytes of the file that are in blocks of zeros (the extended inode's `sparse` field). */
  readonly sparse: number;
}

/** An entry of the fragment table. */
export interface FragmentBlock {
  readonly start: number;
  /** Stored size; bit 24 as in `FileData.blocks`. */
  readonly size: number;
}

/** What holds files that have no bytes at all. */
export const emptyFile: FileData = { start: 0, blocks: [], sparse: 0 };
