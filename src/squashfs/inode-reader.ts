import { u32 } from '../bytes/struct.ts';
import type { ByteString, InodeType } from '../tree/index.ts';
import type { Budget } from './budget.ts';
import type { FileData } from './data.ts';
import {
  deviceInode,
  directoryInode,
  extendedDeviceInode,
  extendedDirectoryInode,
  extendedFileInode,
  extendedPipeInode,
  extendedType,
  fileInode,
  inodeBase,
  inodeTypes,
  listingBias,
  maxSymlinkLength,
  metadataSize,
  pipeInode,
  symlinkInode,
  symlinkXattrs,
} from './layout.ts';
import type { MetadataCursor } from './metadata-reader.ts';

interface Common {
  /** Where the inode lies: block position from the inode table's start * 2^16 + offset in the decoded block. */
  readonly reference: number;
  /** From 1. */
  readonly number: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds. */
  readonly mtime: number;
  /** As the image says it. */
  readonly links: number;
  /** Number of its xattr set. */
  readonly xattrs: number | undefined;
}

export interface StoredFile extends Common {
  readonly type: 'file';
  readonly size: number;
  readonly content: FileData;
}
export interface StoredDirectory extends Common {
  readonly type: 'directory';
  readonly parent: number;
  /** The directory table's block, from the table's start, and where in it the listing begins. */
  readonly listingStart: number;
  readonly listingOffset: number;
  /** In bytes, without the 3 that the inode adds. */
  readonly listingSize: number;
  /** The index lies behind the inode: position from the image's start, and offset. */
  readonly index: { readonly count: number; readonly position: number; readonly offset: number };
}
export interface StoredSymlink extends Common {
  readonly type: 'symlink';
  readonly target: ByteString;
}
export interface StoredDevice extends Common {
  readonly type: 'block' | 'character';
  readonly major: number;
  readonly minor: number;
}
export interface StoredPipe extends Common {
  readonly type: 'fifo' | 'socket';
}
/** One inode as the image has it. */
export type StoredInode = StoredFile | StoredDirectory | StoredSymlink | StoredDevice | StoredPipe;

const typeNames = Object.keys(inodeTypes).sort(
  (a, b) => inodeTypes[a as InodeType] - inodeTypes[b as InodeType],
) as InodeType[];

/** The name of a basic type's number; undefined when there is none. */
export function findInodeType(type: number): InodeType | undefined {
  return typeNames[type - 1];
}

export interface InodeReading {
  readonly blockSize: number;
  readonly inodeCount: number;
  /** The length of the inode table, which bounds what one inode can be. */
  readonly tableBytes: number;
  readonly id: (index: number) => number;
  readonly budget: Budget;
}

/** What an inode costs in memory, apart from what varies. */
const inodeCost = 256;

/** `open` gives a cursor at the inode: the type is read first, then the whole inode from its beginning. */
export function readInode(reference: number, open: () => MetadataCursor, reading: InodeReading): StoredInode {
  const base = open().read(inodeBase);
  const cursor = open();
  const isExtended = base.type > extendedType;
  const type = findInodeType(isExtended ? base.type - extendedType : base.type);
  if (type === undefined) throw cursor.corrupt(`an inode of type ${base.type}`);
  if (base.number === 0 || base.number > reading.inodeCount) {
    throw cursor.corrupt(`inode number ${base.number} of ${reading.inodeCount}`);
  }
  reading.budget.charge(inodeCost);
  const common = {
    reference,
    number: base.number,
    // Some old writers stored the file type here too.
    mode: base.mode % 0o10000,
    uid: reading.id(base.uidIndex),
    gid: reading.id(base.gidIndex),
    mtime: base.mtime,
  };
  switch (type) {
    case 'directory': {
      const fields = isExtended
        ? cursor.read(extendedDirectoryInode)
        : { ...cursor.read(directoryInode), ...none };
      const { links, parent, listingStart, listingOffset, xattrs } = fields;
      const listingSize = Math.max(fields.listingSize - listingBias, 0);
      const { position, offset } = cursor;
      const index = { count: fields.indexCount, position, offset };
      return { ...common, type, links, xattrs, parent, listingStart, listingOffset, listingSize, index };
    }
    case 'file': {
      const fields = isExtended ? cursor.read(extendedFileInode) : { ...cursor.read(fileInode), ...plain };
      const { links, xattrs, size, start, sparse } = fields;
      const blocks = readBlocks(cursor, reading, size, fields.fragment !== undefined);
      const fragment =
        fields.fragment === undefined
          ? {}
          : { fragment: { index: fields.fragment, offset: fields.fragmentOffset } };
      return { ...common, type, links, xattrs, size, content: { start, blocks, sparse, ...fragment } };
    }
    case 'symlink': {
      const { links, targetSize } = cursor.read(symlinkInode);
      if (targetSize === 0 || targetSize > maxSymlinkLength) {
        throw cursor.corrupt(`a symlink's target of ${targetSize} bytes`);
      }
      reading.budget.charge(targetSize);
      const target = cursor.text(targetSize);
      const xattrs = isExtended ? cursor.read(symlinkXattrs).xattrs : undefined;
      return { ...common, type, links, xattrs, target };
    }
    case 'block':
    case 'character': {
      const fields = isExtended ? cursor.read(extendedDeviceInode) : { ...cursor.read(deviceInode), ...none };
      const { links, xattrs, device } = fields;
      const major = Math.floor(device / 0x100) % 0x1000;
      const minor = (device % 0x100) + Math.floor(device / 0x100000) * 0x100;
      return { ...common, type, links, xattrs, major, minor };
    }
    case 'fifo':
    case 'socket': {
      const fields = isExtended ? cursor.read(extendedPipeInode) : { ...cursor.read(pipeInode), ...none };
      return { ...common, type, links: fields.links, xattrs: fields.xattrs };
    }
  }
}

/** What basic inodes leave unsaid. */
const none = { xattrs: undefined, indexCount: 0 } as const;
const plain = { xattrs: undefined, links: 1, sparse: 0 } as const;

/** Block words are read a metadata block's worth at a time. */
const wordsAtOnce = metadataSize / u32.size;

function readBlocks(
  cursor: MetadataCursor,
  { blockSize, tableBytes, budget }: InodeReading,
  size: number,
  hasFragment: boolean,
): number[] {
  const count = hasFragment ? Math.floor(size / blockSize) : Math.ceil(size / blockSize);
  // A metadata block takes 3 bytes at least, and holds 8 KiB at most.
  if (count * u32.size > Math.ceil(tableBytes / 3) * metadataSize) {
    throw cursor.corrupt(`a file of ${size} bytes, whose ${count} blocks the inode table cannot list`);
  }
  budget.charge(count * 8);
  const blocks: number[] = [];
  while (blocks.length < count) {
    const words = Math.min(count - blocks.length, wordsAtOnce);
    const bytes = cursor.take(words * u32.size);
    for (let word = 0; word < words; word++) blocks.push(u32.read(bytes, word * u32.size));
  }
  return blocks;
}
