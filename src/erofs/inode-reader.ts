import type { ByteString, InodeType, Timestamp } from '../tree/index.ts';
import type { FileData, InlineData } from './data.ts';
import {
  chunkFormat,
  chunkIndex,
  compactInode,
  dataLayout,
  extendedInode,
  modeTypes,
  slotSize,
  xattrHeader,
  xattrUnit,
} from './layout.ts';
import { corrupt, type MetadataReader, unsupported } from './metadata-reader.ts';
import type { StoredSuperblock } from './superblock-reader.ts';

/** What is left over lies behind the inode. */
export interface StoredInline extends InlineData {
  readonly tail: number;
}
/** Chunks whose places have not been read yet. */
export interface ChunkTable {
  readonly kind: 'chunk table';
  readonly chunkBytes: number;
  /** Of the first entry, in the image. */
  readonly position: number;
  /** Whether entries name a device. */
  readonly hasDevices: boolean;
}
/** Compressed extents, by whatever writer; `ClusterReader` knows how to read them. */
export interface ClusterTable {
  readonly kind: 'clusters';
  /** Of the header before the indexes. */
  readonly position: number;
  readonly isCompact: boolean;
}
/** Where a stored inode's bytes lie. */
export type StoredData = Extract<FileData, { kind: 'plain' }> | StoredInline | ChunkTable | ClusterTable;

interface Common {
  /** The inode's number: its place in units of 32 bytes from the start of the metadata area. */
  readonly nid: number;
  /** The same in bytes from the image's start. */
  readonly position: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  /** As the image says it. */
  readonly links: number;
  /** Where the inode's xattrs lie, and their bytes: 0 when there are none. */
  readonly xattrStart: number;
  readonly xattrBytes: number;
}

export interface StoredFile extends Common {
  readonly type: 'file';
  readonly size: number;
  readonly content: StoredData;
}
export interface StoredDirectory extends Common {
  readonly type: 'directory';
  readonly size: number;
  readonly content: StoredData;
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
/** A symlink before its target was read. */
export interface RawSymlink extends Common {
  readonly type: 'symlink';
  readonly size: number;
  readonly content: StoredData;
}

const typesByMode = new Map(Object.entries(modeTypes).map(([type, bits]) => [bits, type as InodeType]));
/** Linux makes none that are longer. */
const maxSymlinkLength = 65535;

/** Reads an inode by its nid. Of a symlink the target is still to be read from its content. */
export function readInode(
  metadata: MetadataReader,
  superblock: StoredSuperblock,
  nid: number,
): Exclude<StoredInode, StoredSymlink> | RawSymlink {
  const position = superblock.metadataBlock * superblock.blockSize + nid * slotSize;
  const format = metadata.take('inode', position, 2).readUInt16LE(0);
  const isExtended = format % 2 === 1;
  const layout = Math.floor(format / 2) % 8;
  if (format > 0xf) throw unsupported('inode', position, `format 0x${format.toString(16)}`);
  if (layout > dataLayout.chunked) throw unsupported('inode', position, `data layout ${layout}`);
  const fields = isExtended
    ? metadata.read('inode', position, extendedInode)
    : {
        ...metadata.read('inode', position, compactInode),
        seconds: superblock.buildSeconds,
        nanoseconds: superblock.buildNanoseconds,
      };
  const { xattrCount, mode, size, nanoseconds } = fields;
  const type = typesByMode.get(mode - (mode % 0o10000));
  if (type === undefined) throw corrupt('inode', position, `mode 0${mode.toString(8)} is of no type`);
  if (nanoseconds > 999_999_999) throw corrupt('inode', position, 'its time is none');
  const xattrStart = position + (isExtended ? extendedInode.size : compactInode.size);
  const xattrBytes = xattrCount === 0 ? 0 : xattrHeader.size + (xattrCount - 1) * xattrUnit;
  const common = {
    nid,
    position,
    mode: mode % 0o10000,
    uid: fields.uid,
    gid: fields.gid,
    mtime: { seconds: fields.seconds, nanoseconds },
    links: fields.links,
    xattrStart,
    xattrBytes,
  };
  switch (type) {
    case 'block':
    case 'character': {
      const major = Math.floor(fields.place / 0x100) % 0x1000;
      const minor = (fields.place % 0x100) + Math.floor(fields.place / 0x100000) * 0x100;
      return { ...common, type, major, minor };
    }
    case 'fifo':
    case 'socket':
      return { ...common, type };
  }
  if (type === 'symlink' && (size === 0 || size > maxSymlinkLength)) {
    throw corrupt('inode', position, `a symlink's target of ${size} bytes`);
  }
  const content = readLayout(metadata, superblock.blockSize, {
    layout,
    place: fields.place,
    size,
    end: xattrStart + xattrBytes,
    position,
  });
  return { ...common, type, size, content };
}

interface Place {
  readonly layout: number;
  readonly place: number;
  readonly size: number;
  /** Of inode and xattrs. */
  readonly end: number;
  readonly position: number;
}

function readLayout(
  metadata: MetadataReader,
  blockSize: number,
  { layout, place, size, end, position }: Place,
): StoredData {
  switch (layout) {
    case dataLayout.inline: {
      // Kernels take all of a last whole block for what lies behind the inode, where it never has room.
      const tailBytes = size === 0 ? 0 : ((size - 1) % blockSize) + 1;
      if ((end % blockSize) + tailBytes > blockSize) {
        throw corrupt('inode', position, `inline data of ${tailBytes} bytes that cross a block's end`);
      }
      return { kind: 'inline', start: place * blockSize, tail: end };
    }
    case dataLayout.chunked: {
      const format = place % 0x10000;
      if (format > chunkFormat.sizeMask + chunkFormat.indexes) {
        throw unsupported('inode', position, `chunk format 0x${format.toString(16)}`);
      }
      const hasDevices = format >= chunkFormat.indexes;
      const chunkBytes = blockSize * 2 ** (format % chunkFormat.indexes);
      const unit = hasDevices ? chunkIndex.size : 4;
      const table = Math.ceil(end / unit) * unit;
      const count = Math.ceil(size / chunkBytes);
      if (table + count * unit > metadata.end) {
        throw corrupt('inode', position, `a file of ${count} chunks, whose places the image cannot hold`);
      }
      return { kind: 'chunk table', chunkBytes, position: table, hasDevices };
    }
    case dataLayout.compressedFull:
    case dataLayout.compressedCompact: {
      const isCompact = layout === dataLayout.compressedCompact;
      return { kind: 'clusters', position: Math.ceil(end / 8) * 8, isCompact };
    }
    default:
      return { kind: 'plain', start: place * blockSize };
  }
}
