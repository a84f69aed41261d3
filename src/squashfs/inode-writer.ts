import { u32 } from '../bytes/struct.ts';
import type { Warnings } from '../error/index.ts';
import { type ByteString, type FileInode, type Node, printable } from '../tree/index.ts';
import { emptyFile, type FileData } from './data.ts';
import type { Listing } from './directory-writer.ts';
import { SquashfsError } from './error.ts';
import type { IdWriter } from './id-writer.ts';
import {
  deviceInode,
  directoryIndex,
  directoryInode,
  extendedDeviceInode,
  extendedDirectoryInode,
  extendedFileInode,
  extendedPipeInode,
  extendedType,
  fileInode,
  inodeTypes,
  listingBias,
  maxSymlinkLength,
  pipeInode,
  symlinkInode,
  symlinkXattrs,
} from './layout.ts';
import type { MetadataWriter } from './metadata-writer.ts';
import type { XattrWriter } from './xattr-writer.ts';

const beyond32 = 0x100000000;

/** What an inode needs from the tables around it. */
export interface InodeContext {
  readonly table: MetadataWriter;
  readonly ids: IdWriter;
  readonly xattrs: XattrWriter;
  readonly warnings: Warnings;
  readonly blockSize: number;
  readonly fragmentCount: number;
}

/** Of a directory: where its listing went, and its parent's number. */
export interface DirectoryPlace {
  readonly listing: Listing;
  readonly parent: number;
}

/**
 * Appends one inode, in the basic variant wherever that can hold it. Throws SquashfsError `unsupported`, naming the path,
 * for what squashfs has no room for; `internal` when a file's data does not fit its size.
 */
export function writeInode(
  context: InodeContext,
  node: Node<FileData>,
  number: number,
  place?: DirectoryPlace,
): void {
  const { table } = context;
  const { inode, links, path } = node;
  const xattrs = context.xattrs.index(inode, path);
  const basic = {
    type: inodeTypes[inode.type],
    mode: inode.mode,
    uidIndex: context.ids.index(inode.uid),
    gidIndex: context.ids.index(inode.gid),
    mtime: clampTime(inode.mtime.seconds, path, context.warnings),
    number,
  };
  const extended = { ...basic, type: basic.type + extendedType, xattrs };
  switch (inode.type) {
    case 'directory': {
      const { listing, parent } = place!;
      const { start: listingStart, offset: listingOffset, index } = listing;
      const listingSize = listing.size + listingBias;
      const fields = { listingStart, links, listingSize, listingOffset, parent };
      if (xattrs === undefined && index.length === 0 && listingSize <= 0xffff) {
        table.put(directoryInode, { ...basic, ...fields });
        return;
      }
      if (listingSize >= beyond32) throw unsupported(path, 'a directory whose listing exceeds 4 GiB');
      table.put(extendedDirectoryInode, { ...extended, ...fields, indexCount: index.length });
      for (const { position, start, name } of index) {
        table.put(directoryIndex, { position, start, nameSize: name.length - 1 });
        table.text(name);
      }
      return;
    }
    case 'file': {
      const data = checkData(context, inode, path);
      const { start, blocks, sparse } = data;
      const fields = {
        start,
        size: inode.size,
        fragment: data.fragment?.index,
        fragmentOffset: data.fragment?.offset ?? 0,
      };
      if (xattrs === undefined && links === 1 && sparse === 0 && start < beyond32 && inode.size < beyond32) {
        table.put(fileInode, { ...basic, ...fields });
      } else {
        table.put(extendedFileInode, { ...extended, ...fields, links, sparse });
      }
      for (const block of blocks) table.put(u32, block);
      return;
    }
    case 'symlink': {
      const { target } = inode;
      if (target.length > maxSymlinkLength) {
        throw unsupported(
          path,
          `a symlink with a target of ${target.length} bytes, ${maxSymlinkLength} at most`,
        );
      }
      const type = xattrs === undefined ? basic.type : extended.type;
      table.put(symlinkInode, { ...basic, type, links, targetSize: target.length });
      table.text(target);
      if (xattrs !== undefined) table.put(symlinkXattrs, { xattrs });
      return;
    }
    case 'block':
    case 'character': {
      const device = deviceNumber(inode.major, inode.minor, path);
      if (xattrs === undefined) table.put(deviceInode, { ...basic, links, device });
      else table.put(extendedDeviceInode, { ...extended, links, device });
      return;
    }
    case 'fifo':
    case 'socket':
      if (xattrs === undefined) table.put(pipeInode, { ...basic, links });
      else table.put(extendedPipeInode, { ...extended, links });
  }
}

function unsupported(path: ByteString, what: string): SquashfsError {
  return new SquashfsError('unsupported', `squashfs cannot hold ${what}: /${printable(path)}`, {
    detail: { path },
    hint: 'choose another format, or remove it from the image',
  });
}

/** Seconds since 1970 in 32 bits, so up to 2106. */
function clampTime(seconds: number, path: ByteString, warnings: Warnings): number {
  const clamped = Math.min(Math.max(seconds, 0), 0xffffffff);
  if (clamped !== seconds) {
    const message = `the modification time of /${printable(path)}, ${seconds}, is set to ${clamped}`;
    warnings.add({ code: 'time-clamped', message, path });
  }
  return clamped;
}

/** Linux's 32-bit device number: 12 bits of major number between the low 8 and the high 12 bits of the minor one. */
function deviceNumber(major: number, minor: number, path: ByteString): number {
  const fits = (value: number, most: number): boolean =>
    Number.isInteger(value) && value >= 0 && value <= most;
  if (!fits(major, 0xfff) || !fits(minor, 0xfffff)) {
    throw unsupported(path, `device number ${major}:${minor}, of more than 12 and 20 bits`);
  }
  return (minor % 0x100) + major * 0x100 + Math.floor(minor / 0x100) * 0x100000;
}

function checkData(context: InodeContext, inode: FileInode<FileData>, path: ByteString): FileData {
  if (inode.size === 0) return emptyFile;
  const { blockSize, fragmentCount } = context;
  const { blocks, fragment } = inode.content;
  const blockCount =
    fragment === undefined ? Math.ceil(inode.size / blockSize) : Math.floor(inode.size / blockSize);
  const tail = inode.size % blockSize;
  const fits =
    blocks.length === blockCount &&
    (fragment === undefined ||
      (tail > 0 && fragment.index < fragmentCount && fragment.offset + tail <= blockSize));
  if (fits) return inode.content;
  throw new SquashfsError(
    'internal',
    `the data of /${printable(path)} does not fit its ${inode.size} bytes`,
    {
      detail: { path, size: inode.size, blocks: blocks.length, fragment },
    },
  );
}
