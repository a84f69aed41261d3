/** A hash tree that was made, or found to be right. It is of sha256, hash type 1, blocks of 4096 bytes. */
export interface VerityTree {
  /** Of the tree: its superblock, and behind that its hash blocks. */
  readonly path: string;
  /** Vouches for every bit of the data; 64 hex digits. */
  readonly rootHash: string;
  /** Hex, two digits a byte; empty if there is none. */
  readonly salt: string;
  /** How many blocks of 4096 bytes the data has. */
  readonly dataBlocks: number;
  /** Where the superblock is in the file, in bytes. */
  readonly hashOffset: 0;
}
