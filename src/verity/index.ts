/**
 * dm-verity and fs-verity: a tree of hashes over the blocks of a file, whose root vouches for every bit of it. Linux checks each block
 * that it reads against the tree, and fails the read where a bit differs; so whoever is given the root hash by us needs to trust
 * neither the disk nor who else can write to it. dm-verity's tree is made here, fs-verity's by the filesystem; without a
 * salt both are the same hashes, and one pass over the data gives both names of it (doc/decision/0019).
 *
 *     const tree = await createVerityTree({ data: 'root.sqfs', tree: 'root.sqfs.verity' });
 *     const { table, sectors } = verityTable(tree, '/dev/vda', '/dev/vdb');
 *     const { hashOffset } = await appendVerityTree({ data: 'layer.erofs' });      // one file, one device
 *     const { rootHash, fsverity } = await measureFile('root.sqfs');               // no tree at all
 *     const follower = new VerityFollower(output);                                 // while it is being written
 *     const { fsverity: enabled, immutable } = await sealFile('root.sqfs');        // the filesystem keeps it so
 *
 * A tree is byte for byte what `veritysetup format` writes when it is given our UUID; doc/format/verity.md has the format.
 * `verifyVerityTree` is the kernel's work without a kernel, and says which block is wrong.
 *
 * A pass reads one range of a file in steps of 8 MiB, which any thread may take, and writes the lowest level of the tree; the levels
 * above it are a 128th of that, and are built in memory from the digests of its blocks. Verifying goes from the top down, a pass
 * a level, and compares instead of writing.
 */
export { type AppendVerityOptions, appendVerityTree } from './append.ts';
export { type CreateVerityOptions, createVerityTree, type VerityOptions } from './create.ts';
export { VerityError } from './error.ts';
export { findAppendedTree } from './find.ts';
export type { ByteRange } from './followed-data.ts';
export { type Followed, type FollowOptions, VerityFollower } from './follower.ts';
export { fsverityDigest, parseFsverityDigest } from './fs-verity.ts';
export { blockSize as verityBlockSize, type Superblock as VeritySuperblock } from './layout.ts';
export { type Measured, measureFile } from './measure.ts';
export { type Sealed, type SealOutcome, sealFile, unsealFile } from './seal.ts';
export { readSuperblock as readVeritySuperblock, type VerityParameters } from './superblock.ts';
export { type VerityTable, verityTable } from './table.ts';
export { parseRootHash, type VerityTree } from './tree.ts';
export { type VerifyVerityOptions, verifyVerityTree } from './verify.ts';
