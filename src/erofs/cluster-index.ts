import type { ClusterTable } from './inode-reader.ts';
import {
  clusterAdvice,
  clusterBlockCount,
  clusterHeader,
  clusterIndex,
  clusterType,
  maxClusterBytes,
  maxExtentBytes,
  partialExtent,
  wholeFragment,
} from './layout.ts';
import { corrupt, type MetadataReader, unsupported } from './metadata-reader.ts';

interface ExtentBase {
  /** Of its first byte in the file. */
  readonly offset: number;
  /** Decompressed bytes. */
  readonly length: number;
}
/** A run of a compressed file's bytes that are stored together. */
export interface StoredExtent extends ExtentBase {
  readonly kind: 'stored';
  /** `shifted` is as it is; `interlaced` begins at its place in a block, and goes on at the start of what is stored. */
  readonly algorithm: 'shifted' | 'interlaced' | number;
  /** Of what is stored, in bytes from the start of the primary device, all devices laid behind it. */
  readonly position: number;
  readonly stored: number;
  /** Lies among metadata, behind the indexes. */
  readonly isInline: boolean;
  /** What is stored goes on behind what is wanted. */
  readonly isPartial: boolean;
}
/** A run that lies somewhere in the packed inode. */
export interface FragmentExtent extends ExtentBase {
  readonly kind: 'fragment';
  /** In the packed inode's content. */
  readonly start: number;
}
export type ClusterExtent = StoredExtent | FragmentExtent;

/** One for each cluster of a file: where an extent begins, or that none does. */
type Index =
  | {
      readonly type: 'head';
      readonly algorithm: StoredExtent['algorithm'];
      /** Where in its cluster the extent begins. */
      readonly offset: number;
      readonly block: number;
      readonly isPartial: boolean;
    }
  | { readonly type: 'tail'; readonly blocks: number | undefined };

interface Clusters {
  readonly header: ReturnType<typeof clusterHeader.read>;
  readonly table: ClusterTable;
  readonly clusterBits: number;
  /** Of the file. */
  readonly count: number;
}

/** Reads the index of compressed files, from the first extent to the last. */
export class ClusterIndexReader {
  readonly #metadata: MetadataReader;
  readonly #blockBits: number;

  constructor(metadata: MetadataReader, blockBits: number) {
    this.#metadata = metadata;
    this.#blockBits = blockBits;
  }

  /** All extents of a file in order, without gaps. */
  *extents(size: number, table: ClusterTable): Generator<ClusterExtent, void, undefined> {
    if (size === 0) return;
    const { position } = table;
    const header = this.#metadata.read('cluster index', position, clusterHeader);
    if (header.clusterBits >= wholeFragment) {
      yield { kind: 'fragment', offset: 0, length: size, start: this.#wholeFragmentStart(position, header) };
      return;
    }
    const clusterBits = this.#blockBits + (header.clusterBits % 8);
    const count = Math.ceil(size / 2 ** clusterBits);
    const clusters: Clusters = { header, table, clusterBits, count };
    this.#checkSize(clusters, size);
    let number = 0;
    let open: (Index & { type: 'head'; readonly start: number; stored: number | undefined }) | undefined;
    for (const index of this.#indexes(clusters)) {
      const start = number * 2 ** clusterBits;
      number += 1;
      if (index.type === 'tail') {
        if (open === undefined) throw corrupt('cluster index', position, 'the file has no first extent');
        if (index.blocks === undefined || open.stored !== undefined) continue;
        open.stored = index.blocks * 2 ** this.#blockBits;
        continue;
      }
      if (open === undefined && index.offset !== 0) {
        throw corrupt('cluster index', position, `the first extent begins at byte ${index.offset}`);
      }
      // Some writers end the index with a head that is where the file ends.
      if (start + index.offset >= size) break;
      if (open !== undefined) yield this.#extent(open, start + index.offset, clusters);
      open = { ...index, start: start + index.offset, stored: undefined };
    }
    if (open === undefined) throw corrupt('cluster index', position, 'the file has no extents');
    yield this.#last(open, size, clusters);
  }

  #wholeFragmentStart(position: number, header: Clusters['header']): number {
    const high = header.advice + header.algorithms * 0x10000 + (header.clusterBits % 128) * 0x1000000;
    if (high > 0x1fffff) throw corrupt('cluster index', position, 'a fragment beyond 2^53');
    return header.fragmentOffset + high * 0x100000000;
  }

  #checkSize({ table, count, clusterBits }: Clusters, size: number): void {
    // Two bytes an index at least.
    const least = count * (table.isCompact ? 2 : clusterIndex.size);
    if (table.position + clusterHeader.size + least > this.#metadata.end) {
      const what = `a file of ${size} bytes, whose ${count} clusters the image cannot list`;
      throw corrupt('cluster index', table.position, what);
    }
    if (table.isCompact && clusterBits > 14) {
      throw unsupported('cluster index', table.position, `compact indexes of 2^${clusterBits} bytes`);
    }
  }

  #extent(
    head: Extract<Index, { type: 'head' }> & { readonly start: number; readonly stored: number | undefined },
    end: number,
    { table }: Clusters,
  ): StoredExtent {
    const blockSize = 2 ** this.#blockBits;
    const { start, algorithm, isPartial } = head;
    const extent = {
      kind: 'stored',
      offset: start,
      length: end - start,
      algorithm,
      position: head.block * blockSize,
      stored: head.stored ?? blockSize,
      isInline: false,
      isPartial,
    } as const;
    this.#check(extent, table);
    return extent;
  }

  #last(
    head: Extract<Index, { type: 'head' }> & { readonly start: number; readonly stored: number | undefined },
    size: number,
    clusters: Clusters,
  ): ClusterExtent {
    const { header, table } = clusters;
    const { start } = head;
    const length = size - start;
    if (hasAdvice(header.advice, clusterAdvice.inlineTail)) {
      const stored = Math.floor(header.fragmentOffset / 0x10000);
      const position = this.#indexEnd(clusters);
      const { algorithm, isPartial } = head;
      const extent = {
        kind: 'stored',
        offset: start,
        length,
        // Where what is stored is less than a block, there is nothing to go round.
        algorithm: algorithm === 'interlaced' ? 'shifted' : algorithm,
        position,
        stored,
        isInline: true,
        isPartial,
      } as const;
      this.#check(extent, table);
      return extent;
    }
    if (hasAdvice(header.advice, clusterAdvice.fragment)) {
      const high = table.isCompact ? 0 : head.block;
      if (high > 0x1fffff) throw corrupt('cluster index', table.position, 'a fragment beyond 2^53');
      return {
        kind: 'fragment',
        offset: start,
        length,
        start: high * 0x100000000 + header.fragmentOffset,
      };
    }
    return this.#extent(head, size, clusters);
  }

  #check({ length, stored, algorithm }: StoredExtent, { position }: ClusterTable): void {
    const isPlain = typeof algorithm === 'string';
    if (stored === 0 || stored > maxClusterBytes) {
      throw corrupt('cluster index', position, `an extent of ${stored} stored bytes`);
    }
    if (length > (isPlain ? stored : maxExtentBytes)) {
      throw corrupt('cluster index', position, `an extent of ${length} bytes, ${stored} of them stored`);
    }
  }

  /** Where the indexes end, and an inline tail begins. */
  #indexEnd({ table, header, count }: Clusters): number {
    if (!table.isCompact) return table.position + 16 + count * clusterIndex.size;
    const { start, first, packed } = compactRegions(table.position, header.advice, count);
    return start + Math.ceil((first + (count - first - packed)) / 2) * 8 + packed * 2;
  }

  #indexes(clusters: Clusters): Generator<Index, void, undefined> {
    return clusters.table.isCompact ? this.#compact(clusters) : this.#full(clusters);
  }

  *#full({ header, table, clusterBits, count }: Clusters): Generator<Index, void, undefined> {
    const bigClusters = hasAdvice(header.advice, clusterAdvice.bigCluster1 + clusterAdvice.bigCluster2);
    for (let number = 0; number < count; number++) {
      const position = table.position + 16 + number * clusterIndex.size;
      const bytes = this.#metadata.take('cluster index', position, clusterIndex.size);
      const advice = bytes.readUInt16LE(0);
      const place = bytes.readUInt32LE(4);
      if (advice % 4 === clusterType.tail) {
        const distance = place % 0x10000;
        const isCount = Math.floor(distance / clusterBlockCount) % 2 === 1;
        if (isCount && !bigClusters) throw strayCount(position);
        yield { type: 'tail', blocks: isCount ? distance - clusterBlockCount : undefined };
        continue;
      }
      const offset = bytes.readUInt16LE(2);
      if (offset >= 2 ** clusterBits)
        throw corrupt('cluster index', position, `offset ${offset} in a cluster`);
      const isPartial = advice >= partialExtent;
      yield { type: 'head', algorithm: algorithmOf(advice % 4, header), offset, block: place, isPartial };
    }
  }

  /**
   * Indexes come in packs of one block number and 2 or 16 indexes; a head's block is that number and the blocks of the extents
   * before it in the pack. An index has two bits of type above its offset, or of a tail the distances, which are of no use
   * to who reads from the start, or the number of the extent's blocks.
   */
  *#compact({ header, table, clusterBits, count }: Clusters): Generator<Index, void, undefined> {
    const big = hasAdvice(header.advice, clusterAdvice.bigCluster1);
    const { start, first, packed } = compactRegions(table.position, header.advice, count);
    if (packed > 0 && clusterBits > 12) {
      throw unsupported('cluster index', table.position, `packed indexes of 2^${clusterBits} bytes`);
    }
    // The count's mark needs its bit.
    const valueBits = Math.max(clusterBits, 12);
    for (let number = 0, position = start; number < count; ) {
      const inPack = number >= first && number < first + packed ? 16 : 2;
      const packBytes = inPack === 16 ? 32 : 8;
      const indexBits = inPack === 16 ? 14 : 16;
      const pack = this.#metadata.take('cluster index', position, packBytes);
      let block = pack.readUInt32LE(packBytes - 4) + (big ? 0 : 1);
      /** Blocks of the head before, once they are known to be counted. */
      let pending = 0;
      for (let index = 0; index < inPack && number < count; index++, number++) {
        const bit = index * indexBits;
        const word = pack.readUIntLE(Math.floor(bit / 8), 3) >>> (bit % 8);
        const value = word % 2 ** valueBits;
        const type = (word >>> valueBits) % 4;
        if (type === clusterType.tail) {
          const isCount = Math.floor(value / clusterBlockCount) % 2 === 1;
          if (isCount && !big) throw strayCount(position);
          if (isCount) {
            pending = 0;
            block += value - clusterBlockCount;
          }
          yield { type: 'tail', blocks: isCount ? value - clusterBlockCount : undefined };
          continue;
        }
        if (value >= 2 ** clusterBits)
          throw corrupt('cluster index', position, `offset ${value} in a cluster`);
        block += pending;
        pending = 1;
        yield {
          type: 'head',
          algorithm: algorithmOf(type, header),
          offset: value,
          block,
          isPartial: false,
        };
      }
      position += packBytes;
    }
  }
}

/** Packs of 2 come first, as far as 32-byte alignment; then packs of 16, if the file has them; then packs of 2. */
function compactRegions(position: number, advice: number, count: number) {
  const start = position + clusterHeader.size;
  const first = ((32 - (start % 32)) % 32) / 4;
  const isPacked = hasAdvice(advice, clusterAdvice.compacted2) && first < count;
  const packed = isPacked ? count - first - ((count - first) % 16) : 0;
  return { start, first, packed };
}

function hasAdvice(advice: number, bits: number): boolean {
  return (advice & bits) !== 0;
}

function algorithmOf(type: number, { advice, algorithms }: Clusters['header']): StoredExtent['algorithm'] {
  if (type === clusterType.plain) {
    return hasAdvice(advice, clusterAdvice.interlaced) ? 'interlaced' : 'shifted';
  }
  return type === clusterType.head1 ? algorithms % 16 : Math.floor(algorithms / 16);
}

function strayCount(position: number) {
  return corrupt('cluster index', position, 'a count of blocks where extents have one block each');
}
