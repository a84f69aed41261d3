/**
 * All that EROFS puts on disk, in one place: numbers are little endian, structs are packed. A blank line stands
 * every 16 bytes. doc/format/erofs.md tells what each is for.
 */
import { i64, octets, type StructValue, struct, u8, u16, u32, u64 } from '../bytes/struct.ts';
import type { InodeType } from '../tree/index.ts';

export const erofsMagic = 0xe0f5e1e2;
/** The superblock's place in the image: boot sectors have room before it. In bytes. */
export const superblockOffset = 1024;
/** Inodes are numbered by their place: a nid counts units of this many bytes from the start of the metadata area. */
export const slotSize = 32;
/** Shared xattrs and long prefixes are addressed in units of this many bytes. */
export const xattrUnit = 4;
/** Device slots are addressed in units of their own size. */
export const deviceSlotSize = 128;

/** A kernel that does not know them mounts the image all the same. */
export const compatible = { checksum: 0x1, mtime: 0x2, xattrFilter: 0x4 } as const;

/** A kernel that does not know one of them refuses the image. In brackets: the first Linux that knows it. */
export const incompatible = {
  /** Compressed data ends at its last block's end; what is before it is zeros [5.4]. */
  zeroPadding: 0x1,
  /** Algorithms other than LZ4, and compressed extents of more than one block; one bit for both [5.13]. */
  compressionConfigs: 0x2,
  /** Chunk-based inodes [5.15]. */
  chunkedFiles: 0x4,
  /** More than one device [5.16]. */
  deviceTable: 0x8,
  tailPacking: 0x10,
  fragments: 0x20,
  /** Names of xattrs may begin with a prefix from a table [6.4]. */
  xattrPrefixes: 0x40,
} as const;

export const superblock = struct({
  magic: u32,
  /** CRC-32C, seeded with -1 and not inverted, of the superblock's block from here on, this field taken as 0. */
  checksum: u32,
  compatible: u32,
  blockBits: u8,
  /** The superblock is 128 bytes and as many times 16. */
  extensionSlots: u8,
  rootNid: u16,

  inodeCount: u64,
  /** The time of compact inodes, which have none of their own. */
  buildSeconds: i64,

  buildNanoseconds: u32,
  /** Of the primary device. */
  blockCount: u32,
  /** Where nids count from, in blocks. */
  metadataBlock: u32,
  /** Where ids of shared xattrs count from, in blocks. */
  xattrBlock: u32,

  uuid: octets(16),

  volumeName: octets(16),

  incompatible: u32,
  /** A bit for each algorithm, by its number; without `compressionConfigs` the window of LZ4. */
  algorithms: u16,
  extraDevices: u16,
  deviceSlot: u16,
  /** Directories are cut into blocks of block size times 2 to this; 0 is what is known. */
  directoryBlockBits: u8,
  xattrPrefixCount: u8,
  /** In units of 4 bytes. */
  xattrPrefixStart: u32,

  packedNid: u64,
  xattrFilterReserved: u8,
  reserved: octets(23),
});
export type Superblock = StructValue<typeof superblock>;

/** Behind the superblock, or wherever it says: one for each device but the primary, whose number is 0. */
export const deviceSlot = struct({
  tag: octets(64),
  /** In blocks of the image. */
  blockCount: u32,
  mappedBlock: u32,
  reserved: octets(56),
});

/** Bits 1 to 3 of an inode's format; bit 0 says that it is extended. */
export const dataLayout = {
  plain: 0,
  compressedFull: 1,
  inline: 2,
  compressedCompact: 3,
  chunked: 4,
} as const;

/** 32 bytes, for inodes whose numbers are small and whose time is the superblock's. */
export const compactInode = struct({
  format: u16,
  /** 0, or 1 and the units of 4 bytes behind the xattr header's 12. */
  xattrCount: u16,
  mode: u16,
  links: u16,
  size: u32,
  reserved: u32,

  /** By type and layout: first block, device number, chunk format, count of compressed blocks. */
  place: u32,
  number: u32,
  uid: u16,
  gid: u16,
  reserved2: u32,
});

/** 64 bytes. */
export const extendedInode = struct({
  format: u16,
  xattrCount: u16,
  mode: u16,
  reserved: u16,
  size: u64,

  place: u32,
  number: u32,
  uid: u32,
  gid: u32,

  seconds: i64,
  nanoseconds: u32,
  links: u32,

  reserved2: octets(16),
});

/** Stands for a hole in a file's chunks, and for "no block" in a plain inode without any. */
export const noBlock = 0xffffffff;

/** Of a chunk-based inode: bits 0 to 4 are the chunk's size over the block's, as a power of two. */
export const chunkFormat = { sizeMask: 0x1f, indexes: 0x20 } as const;
/** With `indexes`; otherwise a chunk is a u32 block of the primary device. Aligned to 8. */
export const chunkIndex = struct({ reserved: u16, device: u16, block: u32 });
/** A chunk is no larger than the block size times 2 to this. */
export const maxChunkBits = 31;

/** Heads an inode's xattrs: then the ids of shared ones, then entries. */
export const xattrHeader = struct({
  /** 1 bits for names that are not there; kernels use it with `xattrFilter`, others ignore it. */
  filter: u32,
  sharedCount: u8,
  reserved: octets(7),
});
/** Followed by the name without its prefix, then the value; padded to 4 bytes. */
export const xattrEntry = struct({ nameSize: u8, prefix: u8, valueSize: u16 });
/** By name index. The two ACLs are names of their own: nothing follows the prefix. */
export const xattrPrefixes: Readonly<Record<number, string>> = {
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
};
/** Bit 7 of an entry's prefix: the others are an index into the table of long prefixes. */
export const longPrefix = 0x80;

/** Entries of a directory block come first, in byte order, the first one's `nameOffset` telling how many; then the names. */
export const directoryEntry = struct({ nid: u64, nameOffset: u16, type: u8, reserved: u8 });
export const maxNameLength = 255;
export const fileTypes: Readonly<Record<InodeType, number>> = {
  file: 1,
  directory: 2,
  character: 3,
  block: 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
};
/** The upper bits of st_mode. */
export const modeTypes: Readonly<Record<InodeType, number>> = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

export const algorithmNumber = { lz4: 0, lzma: 1, deflate: 2, zstd: 3 } as const;
/** Behind the superblock, in the order of the algorithms' numbers: a u16 with the size of what follows, then one of these. */
export const lz4Config = struct({ maxDistance: u16, maxClusterBlocks: u16, reserved: octets(10) });
export const deflateConfig = struct({ windowBits: u8, reserved: octets(5) });
/** `windowLog` counts from 10. */
export const zstdConfig = struct({ format: u8, windowLog: u8, reserved: octets(4) });

/** Before the cluster indexes of a compressed inode, aligned to 8; with the full layout 8 unused bytes follow. */
export const clusterHeader = struct({ fragmentOffset: u32, advice: u16, algorithms: u8, clusterBits: u8 });
export const clusterAdvice = {
  compacted2: 0x1,
  bigCluster1: 0x2,
  bigCluster2: 0x4,
  /** The last extent's stored bytes lie behind the indexes; the upper half of `fragmentOffset` is their number. */
  inlineTail: 0x8,
  /** A plain extent begins at its place in the block, and goes on at the block's start. */
  interlaced: 0x10,
  /** The last extent lies in the packed inode, from `fragmentOffset` on. */
  fragment: 0x20,
} as const;
/** In `clusterBits`: the whole file is a fragment, and all other 63 bits of the header are its offset. */
export const wholeFragment = 0x80;
/** One for each block of the file; `place` is a block, or the distances to the head and to the next head, 16 bits each. */
export const clusterIndex = struct({ advice: u16, offset: u16, place: u32 });
export const clusterType = { plain: 0, head1: 1, tail: 2, head2: 3 } as const;
/** In a head's advice: the stored extent goes on behind what is wanted of it. */
export const partialExtent = 0x8000;
/** In the first distance of the first tail of a compressed extent: the rest is the number of its blocks. */
export const clusterBlockCount = 0x800;
/** A compressed extent, in bytes. */
export const maxClusterBytes = 1024 * 1024;
/** The same, decompressed: what kernels are ready to hold. */
export const maxExtentBytes = 12 * 1024 * 1024;
