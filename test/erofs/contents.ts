/** Gives contents to a writer as a render does, and reads them back from where it says that they are. */
import assert from 'node:assert/strict';
import { createBlockDecompressor } from '../../src/bytes/codec/index.ts';
import { BlockPool, SlabPool, slabBytes } from '../../src/bytes/pool/index.ts';
import type { RandomAccess } from '../../src/bytes/random-access.ts';
import { ClusterWriter } from '../../src/erofs/cluster-writer.ts';
import { type ErofsAlgorithm, type FileData, hole } from '../../src/erofs/data.ts';
import { DataLog } from '../../src/erofs/data-log.ts';
import { type ContentWriter, DataWriter } from '../../src/erofs/data-writer.ts';
import type { StoredTail, TailStore } from '../../src/erofs/plain-file.ts';

/** Bytes, or so many zeros that come as a hole. */
export type Piece = Buffer | number;
export type Given = Buffer | readonly Piece[];

export interface WriteOptions {
  readonly compression?: ErofsAlgorithm | 'none';
  readonly level?: number;
  readonly extentBytes?: number;
  readonly threads?: number;
  readonly slabs?: number;
  /** Where the data area starts, in bytes. */
  readonly start?: number;
  /** Given first, and then forgotten. */
  readonly forgotten?: readonly Given[];
}

export interface Written {
  readonly files: readonly FileData[];
  /** Where the data area ends. */
  readonly end: number;
  readonly output: Memory;
  readonly tails: Tails;
}

const blockBytes = 4096;

/** A sparse file in memory: blocks that were never written are zeros, and cost nothing. */
export class Memory implements RandomAccess {
  readonly blocks = new Map<number, Buffer>();
  /** How often something was written, and how many views in all. */
  calls = 0;
  views = 0;
  bytes = 0;

  writeAt(position: number, chunks: readonly Uint8Array[]): void {
    this.calls += 1;
    this.views += chunks.length;
    for (const chunk of chunks) {
      this.bytes += chunk.length;
      for (let at = 0; at < chunk.length; ) {
        const number = Math.floor(position / blockBytes);
        const from = position % blockBytes;
        const take = Math.min(chunk.length - at, blockBytes - from);
        let block = this.blocks.get(number);
        if (block === undefined) {
          block = Buffer.alloc(blockBytes);
          this.blocks.set(number, block);
        }
        block.set(chunk.subarray(at, at + take), from);
        at += take;
        position += take;
      }
    }
  }

  readAt(position: number, target: Uint8Array): void {
    for (let at = 0; at < target.length; ) {
      const from = position % blockBytes;
      const take = Math.min(target.length - at, blockBytes - from);
      const block = this.blocks.get(Math.floor(position / blockBytes));
      if (block === undefined) target.fill(0, at, at + take);
      else target.set(block.subarray(from, from + take), at);
      at += take;
      position += take;
    }
  }

  read(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.readAt(position, bytes);
    return bytes;
  }
}

export class Tails implements TailStore {
  readonly #chunks: Buffer[] = [];
  position = 0;

  append(bytes: Uint8Array): void {
    this.#chunks.push(Buffer.from(bytes));
    this.position += bytes.length;
  }

  read(position: number, length: number): Buffer {
    return Buffer.concat(this.#chunks).subarray(position, position + length);
  }
}

const piecesOf = (given: Given): readonly Piece[] => (Buffer.isBuffer(given) ? [given] : given);
const lengthOf = (piece: Piece): number => (typeof piece === 'number' ? piece : piece.length);
export const sizeOf = (given: Given): number =>
  piecesOf(given).reduce<number>((sum, piece) => sum + lengthOf(piece), 0);
export const contentOf = (given: Given): Buffer =>
  Buffer.concat(piecesOf(given).map(piece => (typeof piece === 'number' ? Buffer.alloc(piece) : piece)));

function segmentsOf(given: Given): { offset: number; length: number }[] | undefined {
  const pieces = piecesOf(given);
  if (pieces.every(piece => typeof piece !== 'number')) return undefined;
  const segments: { offset: number; length: number }[] = [];
  let offset = 0;
  for (const piece of pieces) {
    const length = lengthOf(piece);
    if (typeof piece !== 'number' && length > 0) segments.push({ offset, length });
    offset += length;
  }
  return segments;
}

/** Gives files as a layer's reader does: one behind the other in slabs, cut wherever a slab ends. */
async function feed(writer: ContentWriter, slabs: SlabPool, given: readonly Given[], reserve: number) {
  let slab = -1;
  let filled = 0;
  const next = async (): Promise<void> => {
    if (slab >= 0) slabs.release(slab);
    await writer.ready();
    slab = await new Promise<number>(give => slabs.request(() => reserve, give));
    // What lay there before must not be what is stored.
    slabs.bytes.fill(0xee, SlabPool.start(slab), SlabPool.start(slab) + SlabPool.capacity);
    filled = 0;
  };
  await next();
  for (const [id, file] of given.entries()) {
    // The header.
    filled += 512;
    if (filled >= slabBytes) await next();
    writer.begin(id, sizeOf(file), segmentsOf(file));
    for (const piece of piecesOf(file)) {
      if (typeof piece === 'number') {
        writer.hole(piece);
        continue;
      }
      for (let at = 0; at < piece.length; ) {
        if (filled === slabBytes) await next();
        const take = Math.min(piece.length - at, slabBytes - filled);
        const start = SlabPool.start(slab) + filled;
        slabs.bytes.set(piece.subarray(at, at + take), start);
        writer.data(start, take);
        filled += take;
        at += take;
      }
    }
    writer.end();
  }
  slabs.release(slab);
  await writer.ready();
}

export async function write(given: readonly Given[], options: WriteOptions = {}): Promise<Written> {
  const { compression = 'none', level, extentBytes = 65536, threads = 2, start = 4096 } = options;
  const reserve = 2 * threads + 1;
  const slabs = new SlabPool(options.slabs ?? 2 * reserve + 4);
  const output = new Memory();
  const tails = new Tails();
  const log = new DataLog(output, slabs, start, blockBytes);
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const algorithm = compression === 'none' ? undefined : compression;
  const pool =
    algorithm && new BlockPool({ slabs, threads, algorithm, level, blockBytes: extentBytes }, e => fail(e));
  const writer =
    pool === undefined
      ? new DataWriter(log, tails, slabs)
      : new ClusterWriter({ log, tails, slabs, algorithm: algorithm!, extentBytes, pool });
  const work = async (): Promise<Written> => {
    if (options.forgotten !== undefined) {
      await feed(writer, slabs, options.forgotten, reserve);
      await writer.restart();
      log.restart();
      output.blocks.clear();
    }
    await feed(writer, slabs, given, reserve);
    const files = await writer.finish();
    assert.equal(slabs.free, slabs.count, 'slabs are held');
    return { files, end: log.end, output, tails };
  };
  try {
    return await Promise.race([work(), failed]);
  } finally {
    await pool?.close();
  }
}

/** A file's bytes, from `from` on, as a reader of the format would find them. */
export function readBack({ output, tails }: Written, data: FileData, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  switch (data.kind) {
    case 'plain':
      output.readAt(data.start, bytes);
      // What is behind the end is the reader's to see, too, where it maps pages.
      assert.ok(
        output.read(data.start + size, blockBytes - 1 - ((size - 1) % blockBytes)).every(byte => byte === 0),
      );
      return bytes;
    case 'inline': {
      const tail = size % blockBytes;
      output.readAt(data.start, bytes.subarray(0, size - tail));
      bytes.set(tails.read((data as StoredTail).tail, tail), size - tail);
      return bytes;
    }
    case 'chunked':
      for (let chunk = 0; chunk * data.chunkBytes < size; chunk++) {
        const start = data.starts[chunk]!;
        const from = chunk * data.chunkBytes;
        if (start !== hole) output.readAt(start, bytes.subarray(from, from + data.chunkBytes));
      }
      return bytes;
    case 'compressed': {
      const decompressor = createBlockDecompressor(data.algorithm);
      const count = Math.ceil(size / data.extentBytes);
      assert.deepEqual([data.starts.length, data.stored.length], [count, count]);
      for (let extent = 0; extent < count; extent++) {
        const from = extent * data.extentBytes;
        const target = bytes.subarray(from, from + data.extentBytes);
        const start = data.starts[extent]!;
        const stored: number = data.stored[extent]!;
        if (stored === 0) {
          output.readAt(start, target);
          continue;
        }
        assert.equal(stored % blockBytes, 0);
        assert.ok(stored < Math.ceil(target.length / blockBytes) * blockBytes, 'nothing is saved');
        const packed = output.read(start, stored);
        // As the kernel does: zeros of the first block are no data, and there is data in it.
        const zeros = packed.findIndex(byte => byte !== 0);
        assert.ok(zeros >= 0 && zeros < blockBytes);
        assert.equal(decompressor.decompress(packed.subarray(zeros), target), target.length);
      }
      decompressor.close();
      return bytes;
    }
  }
}

/** Every file is what was given, begins at a block's start and has it for itself. */
export async function writeAndCheck(given: readonly Given[], options: WriteOptions = {}): Promise<Written> {
  const written = await write(given, options);
  const { start = 4096 } = options;
  const used: [number, number][] = [];
  for (const [id, file] of given.entries()) {
    const data = written.files[id]!;
    const size = sizeOf(file);
    assert.ok(readBack(written, data, size).equals(contentOf(file)), `file ${id} differs`);
    used.push(...rangesOf(data, size));
  }
  used.sort(([a], [b]) => a - b);
  let at = start;
  for (const [from, to] of used) {
    assert.equal(from, at, 'blocks overlap, or lie unused');
    at = to;
  }
  assert.equal(at, written.end);
  return written;
}

function rangesOf(data: FileData, size: number): [number, number][] {
  const whole = (bytes: number): number => Math.ceil(bytes / blockBytes) * blockBytes;
  const range = (start: number, bytes: number): [number, number][] =>
    bytes === 0 ? [] : [[start, start + whole(bytes)]];
  if (data.kind === 'plain') return range(data.start, size);
  if (data.kind === 'inline') return range(data.start, size - (size % blockBytes));
  const unit = data.kind === 'chunked' ? data.chunkBytes : data.extentBytes;
  return Array.from(data.starts).flatMap((start, index) => {
    if (start === hole) return [];
    const stored = data.kind === 'compressed' ? data.stored[index]! : 0;
    return range(start, stored || Math.min(unit, size - index * unit));
  });
}
