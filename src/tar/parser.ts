import type { ByteString } from '../tree/index.ts';
import { printable } from '../tree/index.ts';
import { checkBlock } from './checksum.ts';
import type { TarEntry, TarHandler, TarLimits } from './entry.ts';
import { TarError } from './error.ts';
import { Expansion } from './expansion.ts';
import { Extensions, isExtension } from './extension.ts';
import { blockSize, gnu, gnuExtension, header, paddingLength } from './layout.ts';
import { readUnsigned } from './number.ts';
import { type Resolved, resolveEntry, resolvePath } from './resolve.ts';
import { readGnuMap, readRecordMap, SparseMapBuilder, validateSparseMap } from './sparse.ts';
import { SparseMapReader } from './sparse-map.ts';

export const defaultTarLimits: TarLimits = { paxBytes: 1024 * 1024, sparseSegments: 262_144 };

/** Values become strings, whose length the engine bounds, however high the limit is set. */
const mostPaxBytes = 256 * 1024 * 1024;

/**
 * What the next byte belongs to. `header`, `gnu-map` and `data-map` take whole blocks; `skip` is data that nobody gets.
 */
type State = 'header' | 'extension' | 'gnu-map' | 'data-map' | 'data' | 'skip' | 'padding' | 'ended';

/** How an archive ended. */
export interface TarEnd {
  /** Both end blocks were there. Without them the archive is complete all the same, but nothing in it says so. */
  readonly terminated: boolean;
}

/**
 * A push parser: give it the archive in chunks of any size, and it calls the handler, synchronously. Memory is bounded
 * by the limits; file data is passed on as views of the chunk. Whatever the input, `write` and `finish` return or throw
 * a TarError (or what the handler throws); after that the parser is spent and throws the same again.
 */
export class TarParser {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  readonly #extensions: Extensions;

  #state: State = 'header';
  #failure: unknown = undefined;
  #offset = 0;
  /** The start of the header block that is being dealt with, and the path it gave: errors name them. */
  #headerOffset = 0;
  #path: ByteString | undefined = undefined;
  #zeroBlock = false;

  /** A block that a chunk's end has cut. */
  readonly #block = Buffer.alloc(blockSize);
  #filled = 0;

  #extensionFlag = 0;
  #extensionData: Buffer | undefined = undefined;

  /** Bytes to come in the states `extension`, `data`, `skip` and `padding`. */
  #remaining = 0;
  #padding = 0;

  #entry: TarEntry | undefined = undefined;
  #stored = 0;
  #builder: SparseMapBuilder | undefined = undefined;
  #mapReader: SparseMapReader | undefined = undefined;
  #expansion: Expansion | undefined = undefined;

  constructor(handler: TarHandler, limits: Partial<TarLimits> = {}) {
    this.#handler = handler;
    this.#limits = { ...defaultTarLimits, ...limits };
    this.#extensions = new Extensions(Math.min(this.#limits.paxBytes, mostPaxBytes));
  }

  /**
   * Bytes consumed. Inside `entry` of a file that is where its data begins, inside `data` and after it where the data
   * that was handed over ends.
   */
  get offset(): number {
    return this.#offset;
  }

  /** Whether both end blocks were seen: the rest, if any, does not matter. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  write(chunk: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    try {
      for (let at = 0; at < bytes.length; ) at += this.#step(bytes, at);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Says that no more bytes come. An archive that is cut within an entry or a header is a TarError `corrupt`. */
  finish(): TarEnd {
    if (this.#failure !== undefined) throw this.#failure;
    const state = this.#state;
    try {
      if (state === 'ended') return { terminated: true };
      const between = (state === 'header' && this.#filled === 0) || state === 'padding';
      if (!between) throw new TarError('corrupt', `the archive ends within ${place(state)}`);
      this.#expectNoExtension();
      return { terminated: false };
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Deals with some bytes from `at` on, at least one, and returns how many. */
  #step(bytes: Buffer, at: number): number {
    const available = bytes.length - at;
    switch (this.#state) {
      case 'header':
      case 'gnu-map':
      case 'data-map':
        return this.#takeBlock(bytes, at, available);
      case 'extension':
        return this.#takeExtension(bytes, at, available);
      case 'data': {
        const length = Math.min(available, this.#remaining);
        this.#offset += length;
        this.#remaining -= length;
        this.#handler.data(bytes.subarray(at, at + length));
        if (this.#remaining === 0) this.#advance();
        return length;
      }
      case 'skip':
      case 'padding': {
        const length = Math.min(available, this.#remaining);
        this.#offset += length;
        this.#remaining -= length;
        if (this.#remaining === 0) this.#passOver(this.#state === 'skip' ? this.#padding : 0);
        return length;
      }
      case 'ended':
        this.#offset += available;
        return available;
    }
  }

  #takeBlock(bytes: Buffer, at: number, available: number): number {
    if (this.#filled === 0) {
      if (this.#state === 'header') {
        this.#headerOffset = this.#offset;
        this.#path = undefined;
      }
      if (available >= blockSize) {
        this.#offset += blockSize;
        this.#readBlock(bytes, at);
        return blockSize;
      }
    }
    const length = Math.min(available, blockSize - this.#filled);
    bytes.copy(this.#block, this.#filled, at, at + length);
    this.#filled += length;
    this.#offset += length;
    if (this.#filled === blockSize) {
      this.#filled = 0;
      this.#readBlock(this.#block, 0);
    }
    return length;
  }

  #readBlock(block: Buffer, base: number): void {
    if (this.#state === 'header') this.#readHeader(block, base);
    else if (this.#state === 'gnu-map') this.#readGnuExtension(block, base);
    else this.#readDataMap(block, base);
  }

  #readHeader(block: Buffer, base: number): void {
    const kind = checkBlock(block, base);
    if (kind === 'zero') {
      this.#expectNoExtension();
      if (this.#zeroBlock) this.#state = 'ended';
      this.#zeroBlock = true;
      return;
    }
    if (kind === 'corrupt') throw new TarError('corrupt', 'the checksum of the header is wrong');
    if (this.#zeroBlock) {
      // Some readers stop at one zero block, others go on: what follows would be seen by a part of them only.
      throw new TarError('corrupt', 'a lone zero block stands before this header');
    }
    const flag = block[base + header.typeflag.at]!;
    if (isExtension(flag)) this.#beginExtension(flag, readUnsigned(block, base, header.size, 'size'));
    else this.#beginEntry(block, base);
  }

  #expectNoExtension(): void {
    if (!this.#extensions.pending) return;
    throw new TarError('corrupt', 'an extended header has no entry after it');
  }

  #beginExtension(flag: number, size: number): void {
    this.#extensions.admit(flag, size);
    this.#extensionFlag = flag;
    this.#padding = paddingLength(size);
    this.#remaining = size;
    this.#state = 'extension';
    if (size === 0) this.#readExtension(Buffer.alloc(0));
  }

  #takeExtension(bytes: Buffer, at: number, available: number): number {
    const length = Math.min(available, this.#remaining);
    let data = this.#extensionData;
    if (data === undefined && length === this.#remaining) {
      data = bytes.subarray(at, at + length);
    } else {
      data ??= this.#extensionData = Buffer.allocUnsafe(this.#remaining);
      bytes.copy(data, data.length - this.#remaining, at, at + length);
    }
    this.#offset += length;
    this.#remaining -= length;
    if (this.#remaining === 0) this.#readExtension(data);
    return length;
  }

  #readExtension(data: Buffer): void {
    this.#extensionData = undefined;
    this.#extensions.read(this.#extensionFlag, data);
    this.#passOver(this.#padding);
  }

  #beginEntry(block: Buffer, base: number): void {
    const path = resolvePath(block, base, this.#extensions);
    this.#path = path;
    const resolved = resolveEntry(block, base, path, this.#extensions);
    this.#entry = resolved.entry;
    this.#stored = resolved.stored;
    this.#padding = paddingLength(resolved.stored);
    if (resolved.sparse !== undefined) this.#beginSparse(block, base, resolved.sparse);
    else this.#beginPlain(resolved.entry);
  }

  #beginPlain(entry: TarEntry): void {
    this.#extensions.clear();
    this.#handler.entry(entry, { offset: this.#offset, segments: undefined });
    if (entry.type === 'file' && this.#stored > 0) {
      this.#remaining = this.#stored;
      this.#state = 'data';
      return;
    }
    this.#handler.end();
    this.#remaining = this.#stored;
    if (this.#stored > 0) this.#state = 'skip';
  }

  #beginSparse(block: Buffer, base: number, sparse: NonNullable<Resolved['sparse']>): void {
    const builder = new SparseMapBuilder(this.#limits.sparseSegments);
    const records = this.#extensions.own.sparse;
    this.#builder = builder;
    this.#extensions.clear();
    if (sparse === 'data') {
      this.#mapReader = new SparseMapReader(builder);
      this.#expectMapBlock();
      this.#state = 'data-map';
      return;
    }
    if (sparse === 'records') {
      readRecordMap(records!, builder);
    } else {
      readGnuMap(block, base, gnu.sparse, builder);
      if (block[base + gnu.isExtended.at] !== 0) {
        this.#state = 'gnu-map';
        return;
      }
    }
    this.#beginExpansion(builder);
  }

  #readGnuExtension(block: Buffer, base: number): void {
    const builder = this.#builder!;
    readGnuMap(block, base, gnuExtension.sparse, builder);
    if (block[base + gnuExtension.isExtended.at] === 0) this.#beginExpansion(builder);
  }

  #readDataMap(block: Buffer, base: number): void {
    this.#stored -= blockSize;
    if (this.#mapReader!.read(block, base)) this.#beginExpansion(this.#builder!);
    else this.#expectMapBlock();
  }

  #expectMapBlock(): void {
    if (this.#stored < blockSize) {
      throw new TarError('corrupt', 'the map of a sparse file is longer than its stored data');
    }
  }

  #beginExpansion({ segments }: SparseMapBuilder): void {
    const entry = this.#entry!;
    this.#builder = undefined;
    this.#mapReader = undefined;
    validateSparseMap(segments, entry.size, this.#stored);
    this.#expansion = new Expansion(segments, entry.size);
    const filled = segments.filter(({ length }) => length > 0);
    this.#handler.entry(entry, { offset: this.#offset, segments: filled });
    this.#advance();
  }

  /** After a file's run of data: the next run of a sparse file, or the end. */
  #advance(): void {
    const due = this.#expansion?.next(this.#handler) ?? 0;
    if (due > 0) {
      this.#remaining = due;
      this.#state = 'data';
      return;
    }
    this.#expansion = undefined;
    this.#handler.end();
    this.#passOver(this.#padding);
  }

  #passOver(padding: number): void {
    this.#remaining = padding;
    this.#state = padding > 0 ? 'padding' : 'header';
  }

  /** Adds to an error where it happened, and remembers it. */
  #fail(error: unknown): unknown {
    this.#failure = error;
    if (error instanceof TarError && error.detail.offset === undefined) {
      const path = this.#path;
      const shown = path === undefined ? '' : ` (${printable(path)})`;
      this.#failure = new TarError(
        error.code,
        `tar header at byte ${this.#headerOffset}${shown}: ${error.message}`,
        {
          detail: { ...error.detail, offset: this.#headerOffset, ...(path === undefined ? {} : { path }) },
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        },
      );
    }
    return this.#failure;
  }
}

function place(state: State): string {
  switch (state) {
    case 'header':
      return 'a header';
    case 'extension':
      return 'an extended header';
    case 'gnu-map':
    case 'data-map':
      return 'the map of a sparse file';
    default:
      return 'the data of an entry';
  }
}
