/**
 * All that a hash tree puts on disk, in one place, and what fs-verity's digests are made of: numbers are little endian, structs
 * are packed. A blank line stands every 16 bytes. doc/format/verity.md tells how the blocks refer to each other.
 */
import { octets, type StructValue, struct, u8, u16, u32, u64 } from '../bytes/struct.ts';

/** Bytes of a block, of data as of hashes: the page size, which every kernel takes. */
export const blockSize = 4096;
/** Bytes of a sha256. */
export const digestSize = 32;
/** How many blocks one hash block vouches for. */
export const digestsPerBlock = blockSize / digestSize;
/** What the kernel counts the lengths of devices in, in bytes. */
export const sectorSize = 512;

export const signature = 'verity\0\0';
export const superblockVersion = 1;
/** 1: the salt goes before the block. (0, after it, is Chromium OS's.) */
export const hashType = 1;
export const algorithm = 'sha256';
export const maxSaltSize = 256;
/** So many blocks are a length that a number holds exactly. */
export const maxDataBlocks = Math.floor(Number.MAX_SAFE_INTEGER / blockSize);

/** At the start of the tree; the rest of its block is zeros. */
export const superblock = struct({
  signature: octets(8),
  version: u32,
  hashType: u32,

  uuid: octets(16),

  algorithm: octets(32),

  dataBlockSize: u32,
  hashBlockSize: u32,
  dataBlocks: u64,

  saltSize: u16,
  unused: octets(6),
  salt: octets(maxSaltSize),

  padding: octets(168),
});
export type Superblock = StructValue<typeof superblock>;

/** `struct fsverity_descriptor`: its sha256 is the fs-verity digest of a file. */
export const descriptor = struct({
  version: u8,
  hashAlgorithm: u8,
  /** Of a block's size, to the base 2. */
  logBlockSize: u8,
  saltSize: u8,
  signatureSize: u32,
  dataSize: u64,

  rootHash: octets(64),

  salt: octets(32),

  reserved: octets(144),
});
export const descriptorVersion = 1;
/** FS_VERITY_HASH_ALG_SHA256. */
export const descriptorAlgorithm = 1;
