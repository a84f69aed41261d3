import { ShaleError } from '../error/index.ts';
import type { Budget } from './budget.ts';
import { type ClusterCodec, createClusterCodec } from './cluster-codec.ts';
import { type ClusterExtent, ClusterIndexReader, type StoredExtent } from './cluster-index.ts';
import type { CompressedData } from './data.ts';
import type { DataReader, UncompressedData } from './data-reader.ts';
import { ErofsError } from './error.ts';
import type { ClusterTable, StoredFile } from './inode-reader.ts';
import { algorithmNumber, incompatible } from './layout.ts';
import { corrupt, type MetadataReader, unsupported } from './metadata-reader.ts';
import type { StoredSuperblock } from './superblock-reader.ts';

/** Bytes that are handed out at a time. */
const chunkLimit = 1024 * 1024;
/** Decoded extents of the packed inode that are kept: files that share one are mostly read one after the other. */
const cachedExtents = 4;
/** What an extent of the packed inode costs in memory. */
const extentCost = 160;

/** The file that fragments of others are packed into. */
export interface Packed {
  readonly size: number;
  readonly content: StoredFile['content'];
}

/** Reads compressed files, extent by extent. */
export class ClusterReader {
  readonly #data: DataReader;
  readonly #index: ClusterIndexReader;
  readonly #blockSize: number;
  readonly #isPadded: boolean;
  readonly #openPacked: () => Packed | undefined;
  readonly #budget: Budget;
  readonly #codecs = new Map<number, ClusterCodec>();
  #packed: Packed | undefined;
  /** The packed inode's extents, when it is compressed. */
  #packedExtents: StoredExtent[] | undefined;
  readonly #cache = new Map<StoredExtent, Uint8Array>();

  /** `openPacked`: finds the packed inode when the first fragment is read; `budget` pays for its index. */
  constructor(
    data: DataReader,
    metadata: MetadataReader,
    superblock: StoredSuperblock,
    openPacked: () => Packed | undefined,
    budget: Budget,
  ) {
    this.#data = data;
    this.#index = new ClusterIndexReader(metadata, superblock.blockBits);
    this.#blockSize = superblock.blockSize;
    this.#isPadded = superblock.incompatible % (2 * incompatible.zeroPadding) === incompatible.zeroPadding;
    this.#openPacked = openPacked;
    this.#budget = budget;
  }

  /** All extents of a file, in order. */
  extents(size: number, content: ClusterTable | CompressedData): Iterable<ClusterExtent> {
    return content.kind === 'clusters'
      ? this.#index.extents(size, content)
      : describedExtents(size, content, this.#blockSize);
  }

  /** Yields `size` bytes, at most 1 MiB at a time, in memory that is the caller's. One extent is decoded at a time. */
  *read(size: number, content: ClusterTable | CompressedData): Generator<Uint8Array, void, undefined> {
    for (const extent of this.extents(size, content)) {
      if (extent.kind === 'stored') yield* inChunks(this.#decode(extent));
      else yield* this.#fragment(extent.start, extent.length);
    }
  }

  /** Bytes of the packed inode. */
  packedBytes(position: number, size: number): Buffer {
    return Buffer.concat([...this.#fragment(position, size)]);
  }

  close(): void {
    for (const codec of this.#codecs.values()) codec.close();
    this.#codecs.clear();
  }

  *#fragment(start: number, length: number): Generator<Uint8Array, void, undefined> {
    this.#packed ??= this.#openPacked();
    const packed = this.#packed;
    if (packed === undefined) throw corrupt('data', start, 'a fragment, but the image has no packed inode');
    if (start + length > packed.size) {
      throw corrupt('data', start, `a fragment of ${length} bytes in a packed inode of ${packed.size}`);
    }
    const { content } = packed;
    if (content.kind !== 'clusters') {
      yield* this.#uncompressed(packed.size, content, start, length);
      return;
    }
    this.#packedExtents ??= this.#listPacked(packed.size, content);
    const extents = this.#packedExtents;
    const end = start + length;
    for (let index = lastBefore(extents, start); index < extents.length; index++) {
      const extent = extents[index]!;
      if (extent.offset >= end) return;
      const bytes = this.#cached(extent);
      const from = Math.max(start - extent.offset, 0);
      yield* inChunks(bytes.slice(from, Math.min(end - extent.offset, extent.length)));
    }
  }

  *#uncompressed(size: number, content: UncompressedData, start: number, length: number) {
    let offset = 0;
    const end = start + length;
    for (const extent of this.#data.extents(size, content)) {
      const from = Math.max(start, offset);
      const to = Math.min(end, offset + extent.length);
      for (let at = from; at < to; at += chunkLimit) {
        const chunk = new Uint8Array(Math.min(chunkLimit, to - at));
        if (extent.device !== undefined)
          this.#data.readAt(extent.device, extent.position + at - offset, chunk);
        yield chunk;
      }
      offset += extent.length;
      if (offset >= end) return;
    }
  }

  #listPacked(size: number, content: ClusterTable): StoredExtent[] {
    const extents: StoredExtent[] = [];
    for (const extent of this.#index.extents(size, content)) {
      if (extent.kind === 'fragment') {
        throw corrupt('cluster index', content.position, 'the packed inode has a fragment of its own');
      }
      this.#budget.charge(extentCost);
      extents.push(extent);
    }
    return extents;
  }

  #cached(extent: StoredExtent): Uint8Array {
    const bytes = this.#cache.get(extent) ?? this.#decode(extent);
    this.#cache.delete(extent);
    this.#cache.set(extent, bytes);
    if (this.#cache.size > cachedExtents) this.#cache.delete(this.#cache.keys().next().value!);
    return bytes;
  }

  #decode(extent: StoredExtent): Uint8Array {
    const { algorithm, position, length } = extent;
    const stored = new Uint8Array(extent.stored);
    if (extent.isInline) this.#data.readAt(0, position, stored);
    else this.#data.readMapped(position, stored);
    if (typeof algorithm === 'string') return this.#plain(stored, extent);
    const codec = this.#codec(algorithm, position);
    const output = new Uint8Array(length);
    const isLegacy = algorithm === algorithmNumber.lz4 && !this.#isPadded;
    const input = isLegacy ? stored : this.#withoutPadding(stored, position);
    try {
      codec.decode(input, output, extent.isPartial || isLegacy);
    } catch (error) {
      if (!(error instanceof ShaleError)) throw error;
      const what = `an extent of ${stored.length} bytes does not decompress to ${length}`;
      if (error.code === 'unsupported') throw unsupported('data', position, error.message, error);
      throw corrupt('data', position, what, error);
    }
    return output;
  }

  #plain(stored: Uint8Array, { algorithm, offset, length }: StoredExtent): Uint8Array {
    if (algorithm === 'shifted') return stored.subarray(0, length);
    const output = new Uint8Array(length);
    // The first bytes are at their place in the last stored block, the others at the start.
    const first = this.#blockSize - (offset % this.#blockSize);
    const from = stored.length - first;
    output.set(stored.subarray(from, from + Math.min(first, length)));
    if (length > first) output.set(stored.subarray(0, length - first), first);
    return output;
  }

  #withoutPadding(stored: Uint8Array, position: number): Uint8Array {
    const most = Math.min(stored.length, this.#blockSize);
    let from = 0;
    while (from < most && stored[from] === 0) from++;
    if (from === most) throw corrupt('data', position, 'an extent that begins with a whole block of zeros');
    return stored.subarray(from);
  }

  #codec(algorithm: number, position: number): ClusterCodec {
    let codec = this.#codecs.get(algorithm);
    if (codec === undefined) {
      codec = createClusterCodec(algorithm);
      if (codec === undefined) {
        throw new ErofsError('unsupported', `EROFS compression algorithm number ${algorithm}`, {
          detail: { algorithm, position },
        });
      }
      this.#codecs.set(algorithm, codec);
    }
    return codec;
  }
}

/** As a writer describes a file that it compressed. */
function* describedExtents(size: number, content: CompressedData, blockSize: number) {
  const { extentBytes, starts, stored, algorithm } = content;
  for (let index = 0, offset = 0; offset < size; index++, offset += extentBytes) {
    const length = Math.min(extentBytes, size - offset);
    const isPlain = stored[index] === 0;
    yield {
      kind: 'stored',
      offset,
      length,
      algorithm: isPlain ? 'shifted' : algorithmNumber[algorithm],
      position: starts[index]!,
      stored: isPlain ? Math.ceil(length / blockSize) * blockSize : stored[index]!,
      isInline: false,
      isPartial: false,
    } as const;
  }
}

function* inChunks(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += chunkLimit) yield bytes.subarray(at, at + chunkLimit);
}

/** The last extent that begins at or before `position`. */
function lastBefore(extents: readonly StoredExtent[], position: number): number {
  let from = 0;
  for (let to = extents.length; to - from > 1; ) {
    const middle = Math.floor((from + to) / 2);
    if (extents[middle]!.offset <= position) from = middle;
    else to = middle;
  }
  return from;
}
