import type { ByteString, Node, Timestamp } from '../tree/index.ts';
import { blockNumber, misplaced, unsupported } from './block-number.ts';
import { type ChunkedData, type CompressedData, type DataOf, type FileData, hole } from './data.ts';
import {
  chunkFormat,
  compactInode,
  dataLayout,
  extendedInode,
  maxChunkBits,
  maxClusterBytes,
  modeTypes,
  noBlock,
} from './layout.ts';
import { hasDevices, storedBlocks, writeChunks, writeClusters } from './map-writer.ts';
import type { MetadataOutput } from './metadata-output.ts';
import { inlineTail } from './placement.ts';
import type { XattrWriter } from './xattr-writer.ts';

const beyond32 = 0x100000000;

/** What an inode needs to know of the image around it. */
export interface InodeContext {
  readonly blockSize: number;
  readonly deviceCount: number;
  /** Of compact inodes. */
  readonly time: Timestamp;
  readonly xattrs: XattrWriter;
  /** By `Node.index`, of directories and of symlinks that do not fit behind their inode: where their blocks are. */
  readonly starts: Float64Array;
  /** By `Node.index`, of directories: in bytes. */
  readonly sizes: Float64Array;
  /** By `Node.index`: bytes behind the inode. */
  readonly tails: Uint16Array;
  /** Of a file that is not empty. */
  readonly dataOf: DataOf;
}

/**
 * Appends an inode with its xattrs and the map of its data, but without its tail: compact where that can hold it. Throws
 * ErofsError `unsupported`, naming the path, for what EROFS has no room for; `internal` when a file's data does not fit it.
 */
export function writeInode(output: MetadataOutput, context: InodeContext, node: Node<unknown>): void {
  const { blockSize, time } = context;
  const { inode, links, index } = node;
  const tail = context.tails[index]!;
  const data = inode.type === 'file' && inode.size > 0 ? context.dataOf(inode) : undefined;
  let size = 0;
  let place = 0;
  let layout: number = tail > 0 ? dataLayout.inline : dataLayout.plain;
  switch (inode.type) {
    case 'directory':
      size = context.sizes[index]!;
      place = size > tail ? blockNumber(context.starts[index]!, blockSize, node) : noBlock;
      break;
    case 'symlink':
      size = inode.target.length;
      place = tail > 0 ? noBlock : blockNumber(context.starts[index]!, blockSize, node);
      break;
    case 'block':
    case 'character':
      place = deviceNumber(inode.major, inode.minor, node.path);
      break;
    case 'file':
      size = inode.size;
      place = noBlock;
      if (data === undefined) break;
      checkData(data, size, node, context);
      if (data.kind === 'chunked') {
        layout = dataLayout.chunked;
        place = Math.log2(data.chunkBytes / blockSize) + (hasDevices(data) ? chunkFormat.indexes : 0);
      } else if (data.kind === 'compressed') {
        layout = dataLayout.compressedFull;
        place = storedBlocks(data, size, blockSize);
      } else if (size > tail) place = blockNumber(data.start, blockSize, node);
      break;
  }
  const { mode, uid, gid, mtime } = inode;
  const isCompact =
    uid <= 0xffff &&
    gid <= 0xffff &&
    links <= 0xffff &&
    size < beyond32 &&
    mtime.seconds === time.seconds &&
    mtime.nanoseconds === time.nanoseconds;
  const xattrCount = context.xattrs.count(index);
  if (isCompact) {
    const at = output.take(compactInode.size);
    const { view } = output;
    const o = compactInode.offsets;
    view.setUint16(at + o.format, layout * 2, true);
    view.setUint16(at + o.xattrCount, xattrCount, true);
    view.setUint16(at + o.mode, modeTypes[inode.type] + mode, true);
    view.setUint16(at + o.links, links, true);
    view.setUint32(at + o.size, size, true);
    view.setUint32(at + o.place, place, true);
    view.setUint32(at + o.number, index + 1, true);
    view.setUint16(at + o.uid, uid, true);
    view.setUint16(at + o.gid, gid, true);
  } else {
    const at = output.take(extendedInode.size);
    const { view } = output;
    const o = extendedInode.offsets;
    const high = Math.floor(mtime.seconds / beyond32);
    view.setUint16(at + o.format, layout * 2 + 1, true);
    view.setUint16(at + o.xattrCount, xattrCount, true);
    view.setUint16(at + o.mode, modeTypes[inode.type] + mode, true);
    view.setUint32(at + o.size, size % beyond32, true);
    view.setUint32(at + o.size + 4, Math.floor(size / beyond32), true);
    view.setUint32(at + o.place, place, true);
    view.setUint32(at + o.number, index + 1, true);
    view.setUint32(at + o.uid, uid, true);
    view.setUint32(at + o.gid, gid, true);
    view.setUint32(at + o.seconds, mtime.seconds - high * beyond32, true);
    view.setInt32(at + o.seconds + 4, high, true);
    view.setUint32(at + o.nanoseconds, mtime.nanoseconds, true);
    view.setUint32(at + o.links, links, true);
  }
  if (xattrCount > 0) context.xattrs.write(output, index);
  if (data?.kind === 'chunked') writeChunks(output, data, blockSize, node);
  else if (data?.kind === 'compressed') writeClusters(output, data, size, blockSize, node);
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

function checkData(data: FileData, size: number, node: Node<unknown>, context: InodeContext): void {
  const { blockSize } = context;
  const fits =
    data.kind === 'plain' ||
    (data.kind === 'inline'
      ? inlineTail(size, blockSize) > 0
      : data.kind === 'chunked'
        ? areChunks(data, size, blockSize, context.deviceCount)
        : areExtents(data, size, blockSize));
  if (!fits) throw misplaced(node.path, { size, kind: data.kind });
}

function areChunks(data: ChunkedData, size: number, blockSize: number, deviceCount: number): boolean {
  const { chunkBytes, starts, devices } = data;
  const bits = Math.log2(chunkBytes / blockSize);
  if (!Number.isInteger(bits) || bits < 0 || bits > maxChunkBits) return false;
  if (starts.length !== Math.ceil(size / chunkBytes)) return false;
  if (devices === undefined) return true;
  let common = -1;
  for (let chunk = 0; chunk < starts.length; chunk++) {
    if (starts[chunk] === hole) continue;
    const device = devices[chunk];
    if (device === undefined || !(device >= 0 && device <= deviceCount)) return false;
    // Reading ahead, Linux joins blocks whose numbers follow each other, of whatever block device they are (6.18).
    if (common >= 0 && device !== common) return false;
    common = device;
  }
  return true;
}

function areExtents(data: CompressedData, size: number, blockSize: number): boolean {
  const { extentBytes, starts, stored } = data;
  if (extentBytes <= 0 || extentBytes > maxClusterBytes || extentBytes % blockSize !== 0) return false;
  if (starts.length !== Math.ceil(size / extentBytes) || stored.length !== starts.length) return false;
  for (let extent = 0; extent < starts.length; extent++) {
    const bytes = Math.min(extentBytes, size - extent * extentBytes);
    const blocks = stored[extent]! / blockSize;
    if (!Number.isInteger(blocks) || (blocks > 0 && blocks >= Math.ceil(bytes / blockSize))) return false;
  }
  return true;
}
