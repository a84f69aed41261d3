import { type ChunkedData, emptyFile, type FileData, hole } from './data.ts';

/** A run of bytes that a sparse file has; what is between them is zeros. */
export interface Segment {
  /** In the file. */
  readonly offset: number;
  readonly length: number;
}

/** An index of so many chunks is always worth its room: 8 bytes each. */
const freeChunks = 65536;
/** So many more are for each segment: far apart in large chunks, few bytes would make an image of many gigabytes to hash. */
const chunksForSegment = 64;

/**
 * Gives contents their places, one behind the other, each at a block's start: a function of nothing but sizes and maps of holes
 * in their order. So whoever knows these knows where in the image each content lies, without having the image.
 */
export class FileLayout {
  readonly #blockBytes: number;
  #end: number;

  /** `start`: position of the first content, a multiple of the block size. */
  constructor(blockBytes: number, start: number) {
    this.#blockBytes = blockBytes;
    this.#end = start;
  }

  /** Where the next content would begin. */
  get end(): number {
    return this.#end;
  }

  place(size: number, segments?: readonly Segment[]): FileData {
    if (size === 0) return emptyFile;
    if (segments !== undefined) return this.#placeChunks(size, segments);
    const start = this.#end;
    this.#end += Math.ceil(size / this.#blockBytes) * this.#blockBytes;
    return { kind: 'plain', start };
  }

  /** Chunks with nothing in them take no room; of others the holes are stored, too. */
  #placeChunks(size: number, segments: readonly Segment[]): ChunkedData {
    const chunkBytes = sparseChunkBytes(size, this.#blockBytes, segments.length);
    const starts = new Float64Array(Math.ceil(size / chunkBytes)).fill(hole);
    for (const { offset, length } of segments) {
      if (length === 0) continue;
      const last = Math.floor((offset + length - 1) / chunkBytes);
      for (let chunk = Math.floor(offset / chunkBytes); chunk <= last; chunk++) {
        if (starts[chunk] !== hole) continue;
        starts[chunk] = this.#end;
        const bytes = Math.min(chunkBytes, size - chunk * chunkBytes);
        this.#end += Math.ceil(bytes / this.#blockBytes) * this.#blockBytes;
      }
    }
    return { kind: 'chunked', chunkBytes, starts };
  }
}

/** The chunk of a file with holes: the smallest that keeps its index small, beside its segments. */
export function sparseChunkBytes(size: number, blockBytes: number, segments: number): number {
  const mostChunks = Math.max(freeChunks, segments * chunksForSegment);
  let chunkBytes = blockBytes;
  while (size > chunkBytes * mostChunks) chunkBytes *= 2;
  return chunkBytes;
}

/** Contents as one chunk each, wherever they lie: what an image says of a file in another one. */
export function singleChunk(size: number, blockBytes: number): number {
  let chunkBytes = blockBytes;
  while (chunkBytes < size) chunkBytes *= 2;
  return chunkBytes;
}
