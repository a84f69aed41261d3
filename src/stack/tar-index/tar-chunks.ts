import { type ChunkedData, hole } from '../../erofs/data.ts';
import { singleChunk } from '../../erofs/file-layout.ts';
import { maxChunkBits } from '../../erofs/layout.ts';
import type { LayerFile } from '../../layer/index.ts';

/** What tar consists of, and so the only block size in which all of a tar can be pointed at. In bytes. */
export const tarBlockBytes = 512;

const largestChunk = tarBlockBytes * 2 ** maxChunkBits;
/** A map of holes may always have so many chunks, of 8 bytes each in the index; more, if there is a block of data for each. */
const freeChunks = 65536;
/** But no more than these, for they are held in memory. */
const mostChunks = 2 ** 22;

/**
 * A file's bytes as they lie in its tar, chunks of which each is all data or all hole. Undefined if there are no such chunks: some
 * segment does not begin or end with a block, or small segments are strewn over a huge file.
 */
export function tarChunks(
  file: Pick<LayerFile, 'size' | 'segments'>,
  offset: number,
): ChunkedData | undefined {
  const { size, segments } = file;
  const runs = segments === undefined ? [{ start: 0, end: size }] : joinSegments(segments);
  let chunkBytes = Math.min(singleChunk(size, tarBlockBytes), largestChunk);
  let stored = 0;
  for (const { start, end } of runs) {
    stored += end - start;
    while (start % chunkBytes !== 0) chunkBytes /= 2;
    // What follows the file's last byte in its block is nobody's.
    while (end !== size && end % chunkBytes !== 0) chunkBytes /= 2;
    if (chunkBytes < tarBlockBytes) return undefined;
  }
  const count = Math.ceil(size / chunkBytes);
  if (count > freeChunks && count > Math.min(mostChunks, stored / tarBlockBytes)) return undefined;
  const starts = new Float64Array(count).fill(hole);
  let position = offset;
  for (const { start, end } of runs) {
    for (let at = start; at < end; at += chunkBytes) starts[at / chunkBytes] = position + (at - start);
    position += end - start;
  }
  return { kind: 'chunked', chunkBytes, starts };
}

/** Segments that touch each other are one run of data. */
function joinSegments(segments: NonNullable<LayerFile['segments']>): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (const { offset, length } of segments) {
    const last = runs.at(-1);
    if (last?.end === offset) last.end += length;
    else runs.push({ start: offset, end: offset + length });
  }
  return runs;
}
