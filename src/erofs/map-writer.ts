import type { Node } from '../tree/index.ts';
import { blockNumber } from './block-number.ts';
import { type ChunkedData, type CompressedData, hole } from './data.ts';
import {
  algorithmNumber,
  chunkIndex,
  clusterAdvice,
  clusterBlockCount,
  clusterHeader,
  clusterIndex,
  clusterType,
  noBlock,
} from './layout.ts';
import type { MetadataOutput } from './metadata-output.ts';

/** A chunk-based file names a device with each chunk, or has all of them on the first. */
export function hasDevices({ devices }: ChunkedData): boolean {
  if (devices === undefined) return false;
  for (let chunk = 0; chunk < devices.length; chunk++) if (devices[chunk] !== 0) return true;
  return false;
}

/** Appends where the chunks of a file are. */
export function writeChunks(
  output: MetadataOutput,
  data: ChunkedData,
  blockSize: number,
  node: Node<unknown>,
): void {
  const { starts } = data;
  if (!hasDevices(data)) {
    for (let chunk = 0; chunk < starts.length; chunk++) {
      const start = starts[chunk]!;
      const at = output.take(4);
      output.view.setUint32(at, start === hole ? noBlock : blockNumber(start, blockSize, node), true);
    }
    return;
  }
  const { device, block } = chunkIndex.offsets;
  output.align(chunkIndex.size);
  for (let chunk = 0; chunk < starts.length; chunk++) {
    const start = starts[chunk]!;
    const at = output.take(chunkIndex.size);
    output.view.setUint16(at + device, start === hole ? 0 : data.devices![chunk]!, true);
    output.view.setUint32(at + block, start === hole ? noBlock : blockNumber(start, blockSize, node), true);
  }
}

/**
 * Appends where the extents of a compressed file are: one index for each block of the file. An extent that is stored as it
 * is becomes extents of one block each: older kernels know no larger ones.
 */
export function writeClusters(
  output: MetadataOutput,
  data: CompressedData,
  size: number,
  blockSize: number,
  node: Node<unknown>,
): void {
  const { starts, stored } = data;
  output.align(clusterHeader.size);
  const big = hasBigExtents(data, blockSize);
  const head = output.take(clusterHeader.size + reservedIndex);
  output.view.setUint16(head + clusterHeader.offsets.advice, big ? clusterAdvice.bigCluster1 : 0, true);
  output.bytes[head + clusterHeader.offsets.algorithms] = algorithmNumber[data.algorithm];
  for (let extent = 0; extent < starts.length; extent++) {
    const bytes = Math.min(data.extentBytes, size - extent * data.extentBytes);
    const blocks = Math.ceil(bytes / blockSize);
    const start = blockNumber(starts[extent]!, blockSize, node);
    const storedBlocks = stored[extent]! / blockSize;
    if (storedBlocks === 0) {
      for (let block = 0; block < blocks; block++) writeIndex(output, clusterType.plain, start + block);
      continue;
    }
    writeIndex(output, clusterType.head1, start);
    for (let block = 1; block < blocks; block++) {
      const back = big && block === 1 ? clusterBlockCount + storedBlocks : block;
      writeIndex(output, clusterType.tail, back + (blocks - block) * 0x10000);
    }
  }
}

/** What a compressed file takes, in blocks of the image. */
export function storedBlocks(data: CompressedData, size: number, blockSize: number): number {
  let blocks = 0;
  for (let extent = 0; extent < data.starts.length; extent++) {
    const bytes = Math.min(data.extentBytes, size - extent * data.extentBytes);
    blocks +=
      (data.stored[extent]! === 0 ? Math.ceil(bytes / blockSize) * blockSize : data.stored[extent]!) /
      blockSize;
  }
  return blocks;
}

/** Behind the header, in the full layout. */
const reservedIndex = 8;

function hasBigExtents({ stored }: CompressedData, blockSize: number): boolean {
  for (let extent = 0; extent < stored.length; extent++) if (stored[extent]! > blockSize) return true;
  return false;
}

function writeIndex(output: MetadataOutput, type: number, place: number): void {
  const at = output.take(clusterIndex.size);
  output.view.setUint16(at + clusterIndex.offsets.advice, type, true);
  output.view.setUint32(at + clusterIndex.offsets.place, place, true);
}
