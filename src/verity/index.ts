/**
 * dm-verity: a tree of hashes over the blocks of a file, whose root vouches for every bit of it. Linux checks each block that it
 * reads from such a device against the tree, and fails the read where a bit differs; so a zone that is given the root hash by us
 * needs to trust neither the disk nor who else can write to it.
 *
 *     const tree = await createVerityTree({ data: 'root.sqfs', tree: 'root.sqfs.verity', salt });
 *     const { table, sectors } = verityTable(tree, '/dev/vda', '/dev/vdb');
 *
 * The tree is a file of its own, byte for byte what `veritysetup format` writes when it is given our UUID; doc/format/verity.md
 * has the format. `verifyVerityTree` is the same work without a kernel, and says which block is wrong.
 *
 * Work goes bottom up, a level a pass: digests of the data first, then of the digests. A pass reads one range of a file and
 * writes another, in steps of 8 MiB, which any thread may take; so memory stays small, whatever the size, and a pass over
 * much data gets a thread a processor. Verifying runs the same passes from the top down, and compares instead of writing.
 */
export { type CreateVerityOptions, createVerityTree } from './create.ts';
export { VerityError } from './error.ts';
export { blockSize as verityBlockSize, type Superblock as VeritySuperblock } from './layout.ts';
export { readSuperblock as readVeritySuperblock, type VerityParameters } from './superblock.ts';
export { type VerityTable, verityTable } from './table.ts';
export type { VerityTree } from './tree.ts';
export { type VerifyVerityOptions, verifyVerityTree } from './verify.ts';
