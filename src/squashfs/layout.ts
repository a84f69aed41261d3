/**
 * All that squashfs 4.0 puts on disk, in one place: numbers are little endian, structs are packed. A blank line stands
 * every 16 bytes. doc/format/squashfs.md tells what the tables are for.
 */
import { i16, type StructValue, struct, u16, u32, u32OrNone, u64, u64OrNone } from '../bytes/struct.ts';
import type { InodeType } from '../tree/index.ts';

export const squashfsMagic = 0x73717368;

/** Metadata is cut into blocks of this many bytes before compression. */
export const metadataSize = 8192;
/** Bit 15 of a metadata block's header: the block is stored as it is. */
export const metadataStored = 0x8000;
/** Bit 24 of a data or fragment block's size: the block is stored as it is. */
export const blockStored = 0x1000000;

export const minBlockSize = 4096;
export const maxBlockSize = 1048576;
/** Images are padded to this, the largest unit that a kernel reads block devices in. */
export const deviceBlockSize = 4096;

/** Entries behind one directory header. */
export const maxRunLength = 256;
/** Bytes of a name. Linux itself stops at 255. */
export const maxNameLength = 256;
export const maxSymlinkLength = 65535;
/** The superblock counts ids in 16 bits, so the 65536th cannot be counted though an inode could name it. */
export const maxIds = 65535;
/** A directory's size counts the `.` and `..` that are not stored: 3 bytes, the sum of their lengths. */
export const listingBias = 3;

export const squashfsFlags = {
  uncompressedInodes: 0x0001,
  uncompressedData: 0x0002,
  uncompressedFragments: 0x0008,
  noFragments: 0x0010,
  alwaysFragments: 0x0020,
  duplicates: 0x0040,
  exportable: 0x0080,
  uncompressedXattrs: 0x0100,
  noXattrs: 0x0200,
  compressorOptions: 0x0400,
  uncompressedIds: 0x0800,
} as const;

export const superblock = struct({
  magic: u32,
  inodeCount: u32,
  modificationTime: u32,
  blockSize: u32,

  fragmentCount: u32,
  compressor: u16,
  blockLog: u16,
  flags: u16,
  idCount: u16,
  versionMajor: u16,
  versionMinor: u16,

  rootInode: u64,
  bytesUsed: u64,

  idTable: u64,
  xattrTable: u64OrNone,

  inodeTable: u64,
  directoryTable: u64,

  fragmentTable: u64OrNone,
  exportTable: u64OrNone,
});
export type Superblock = StructValue<typeof superblock>;

/** Where the compressor's options, or else the data, may begin. */
export const superblockSize = superblock.size;

/** Behind the superblock, in one uncompressed metadata block. */
export const gzipOptions = struct({ level: u32, windowSize: u16, strategies: u16 });
export const xzOptions = struct({ dictionarySize: u32, filters: u32 });
export const lz4Options = struct({ version: u32, flags: u32 });
export const zstdOptions = struct({ level: u32 });
export const lzoOptions = struct({ algorithm: u32, level: u32 });

/** Basic inode types; the extended variant of each is 7 more. */
export const inodeTypes: Readonly<Record<InodeType, number>> = {
  directory: 1,
  file: 2,
  symlink: 3,
  block: 4,
  character: 5,
  fifo: 6,
  socket: 7,
};
export const extendedType = 7;

const inodeHeader = {
  type: u16,
  mode: u16,
  uidIndex: u16,
  gidIndex: u16,
  mtime: u32,
  number: u32,
} as const;

export const inodeBase = struct(inodeHeader);

export const directoryInode = struct({
  ...inodeHeader,

  listingStart: u32,
  links: u32,
  listingSize: u16,
  listingOffset: u16,
  parent: u32,
});

/** Followed by `indexCount` index entries. */
export const extendedDirectoryInode = struct({
  ...inodeHeader,

  links: u32,
  listingSize: u32,
  listingStart: u32,
  parent: u32,

  indexCount: u16,
  listingOffset: u16,
  xattrs: u32OrNone,
});

/** Followed by the name: `nameSize` + 1 bytes. */
export const directoryIndex = struct({ position: u32, start: u32, nameSize: u32 });

/** Followed by the block sizes, u32 each. */
export const fileInode = struct({
  ...inodeHeader,

  start: u32,
  fragment: u32OrNone,
  fragmentOffset: u32,
  size: u32,
});

/** Followed by the block sizes, u32 each. */
export const extendedFileInode = struct({
  ...inodeHeader,

  start: u64,
  size: u64,

  sparse: u64,
  links: u32,
  fragment: u32OrNone,

  fragmentOffset: u32,
  xattrs: u32OrNone,
});

/** Followed by the target; the extended variant has a u32 xattr index behind it. */
export const symlinkInode = struct({
  ...inodeHeader,

  links: u32,
  targetSize: u32,
});
export const symlinkXattrs = struct({ xattrs: u32OrNone });

export const deviceInode = struct({
  ...inodeHeader,

  links: u32,
  device: u32,
});

export const extendedDeviceInode = struct({
  ...inodeHeader,

  links: u32,
  device: u32,
  xattrs: u32OrNone,
});

export const pipeInode = struct({
  ...inodeHeader,

  links: u32,
});

export const extendedPipeInode = struct({
  ...inodeHeader,

  links: u32,
  xattrs: u32OrNone,
});

/** Heads a run of at most 256 entries whose inodes begin in one metadata block. `count` is one less than their number. */
export const directoryHeader = struct({ count: u32, start: u32, inodeNumber: u32 });
/** Followed by the name: `nameSize` + 1 bytes. `inodeDelta` counts from the header's number; `type` is a basic type. */
export const directoryEntry = struct({ offset: u16, inodeDelta: i16, type: u16, nameSize: u16 });

export const fragmentEntry = struct({
  start: u64,
  size: u32,
  unused: u32,
});

/** A metadata reference: position of the block from the table's start * 2^16 + offset in the decoded block. */
export const exportEntry = struct({ reference: u64 });
export const idEntry = struct({ id: u32 });
/** Where a lookup table's metadata block lies, from the image's start. */
export const blockPosition = struct({ position: u64 });

/** Stands, plain, before the positions of the xattr id table's blocks; the superblock points to it. */
export const xattrTableHeader = struct({
  pairsStart: u64,
  count: u32,
  unused: u32,
});
/** One set of xattrs: where its pairs begin (a metadata reference), how many they are and how many bytes they take. */
export const xattrId = struct({
  reference: u64,
  count: u32,
  size: u32,
});
/** Followed by the name without its prefix, then the value. */
export const xattrEntry = struct({ type: u16, nameSize: u16 });
export const xattrValue = struct({ size: u32 });
export const xattrPrefixes = ['user.', 'trusted.', 'security.'] as const;
/** Added to a pair's type: the value is a u64 metadata reference to the value. */
export const xattrOutOfLine = 0x0100;
