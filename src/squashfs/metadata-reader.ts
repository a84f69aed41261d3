import type { BlockDecompressor } from '../bytes/codec/types.ts';
import type { ImageSource } from '../bytes/image-source.ts';
import { type Struct, StructError } from '../bytes/struct.ts';
import { ShaleError } from '../error/index.ts';
import { SquashfsError } from './error.ts';
import { blockPosition, metadataSize, metadataStored } from './layout.ts';

/** Which table is read, for messages. */
export type TableName =
  | 'superblock'
  | 'data'
  | 'inode'
  | 'directory'
  | 'fragment'
  | 'export'
  | 'id'
  | 'xattr'
  | 'xattr id';

/** `offset` counts from the image's start. */
export function corrupt(table: TableName, offset: number, what: string, cause?: unknown): SquashfsError {
  return new SquashfsError('corrupt', `corrupt squashfs image: ${table}, at byte ${offset}: ${what}`, {
    detail: { table, offset },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A block's failure to decompress, as this image's: what the codec does not know stays `unsupported`. */
export function undecodable(table: TableName, offset: number, cause: unknown): unknown {
  if (!(cause instanceof ShaleError)) return cause;
  if (cause.code !== 'unsupported') return corrupt(table, offset, 'a block does not decompress', cause);
  return new SquashfsError('unsupported', `squashfs image: ${table}, at byte ${offset}: ${cause.message}`, {
    cause,
    detail: { table, offset },
  });
}

interface MetadataBlock {
  readonly bytes: Buffer;
  /** Where the block behind it begins. */
  readonly next: number;
}

/** Decoded blocks that are kept: twice as many at most, 4 MiB. */
const cachedBlocks = 256;

/** Reads metadata blocks, and keeps those that were used last. */
export class MetadataReader {
  readonly #source: ImageSource;
  readonly #decompressor: BlockDecompressor;
  readonly #header = Buffer.alloc(2);
  readonly #stored = Buffer.alloc(metadataSize);
  readonly #plain = Buffer.alloc(metadataSize);
  #recent = new Map<number, MetadataBlock>();
  #older = new Map<number, MetadataBlock>();

  constructor(source: ImageSource, decompressor: BlockDecompressor) {
    this.#source = source;
    this.#decompressor = decompressor;
  }

  /** The block at `position`, which must end at `end` at the latest. */
  block(table: TableName, position: number, end: number): MetadataBlock {
    const recent = this.#recent.get(position);
    if (recent !== undefined) return recent;
    const block = this.#older.get(position) ?? this.#read(table, position, end);
    if (this.#recent.size >= cachedBlocks) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(position, block);
    return block;
  }

  /** Entries of a lookup table whose list of blocks lies at `list`. Throws when the image cannot hold `count` of them. */
  lookupTable<V>(
    table: TableName,
    layout: Struct<V>,
    count: number,
    list: number,
    bytesUsed: number,
  ): LookupTable<V> {
    const blocks = Math.ceil((count * layout.size) / metadataSize);
    const bytes = blocks * blockPosition.size;
    if (list + bytes > bytesUsed) {
      throw corrupt(
        table,
        list,
        `there is no room for ${count} entries before the image's end at ${bytesUsed}`,
      );
    }
    const positions = Buffer.alloc(bytes);
    this.#source.readAt(list, positions);
    return new LookupTable(this, table, layout, count, list, positions);
  }

  cursor(table: TableName, position: number, offset: number, end: number): MetadataCursor {
    return new MetadataCursor(this, table, position, offset, end);
  }

  #read(table: TableName, position: number, end: number): MetadataBlock {
    if (position < 0 || position + 2 > end) {
      throw corrupt(table, position, `a metadata block is expected, but the table ends at ${end}`);
    }
    this.#source.readAt(position, this.#header);
    const header = this.#header.readUInt16LE(0);
    const isStored = header >= metadataStored;
    const size = header % metadataStored;
    const next = position + 2 + size;
    if (size === 0 || size > metadataSize || next > end) {
      throw corrupt(table, position, `a metadata block of ${size} bytes, in a table that ends at ${end}`);
    }
    const stored = this.#stored.subarray(0, size);
    this.#source.readAt(position + 2, stored);
    if (isStored) return { bytes: Buffer.from(stored), next };
    let length: number;
    try {
      length = this.#decompressor.decompress(stored, this.#plain);
    } catch (error) {
      throw undecodable(table, position, error);
    }
    if (length === 0) throw corrupt(table, position, 'an empty metadata block');
    return { bytes: Buffer.from(this.#plain.subarray(0, length)), next };
  }
}

/** Reads a metadata table on and on, over block boundaries. */
export class MetadataCursor {
  readonly #reader: MetadataReader;
  readonly #table: TableName;
  readonly #end: number;
  #position: number;
  #offset: number;

  constructor(reader: MetadataReader, table: TableName, position: number, offset: number, end: number) {
    this.#reader = reader;
    this.#table = table;
    this.#position = position;
    this.#offset = offset;
    this.#end = end;
  }

  /** Position of the block that the cursor is in, from the image's start. */
  get position(): number {
    return this.#position;
  }

  get offset(): number {
    return this.#offset;
  }

  /** The next bytes: a view of a cached block, to be used up at once. */
  take(size: number): Buffer {
    const { bytes } = this.#block();
    const start = this.#offset;
    if (start + size <= bytes.length) {
      this.#offset += size;
      return bytes.subarray(start, start + size);
    }
    const parts: Buffer[] = [];
    for (let missing = size; missing > 0; ) {
      const block = this.#block().bytes;
      const part = block.subarray(this.#offset, this.#offset + missing);
      parts.push(part);
      this.#offset += part.length;
      missing -= part.length;
    }
    return Buffer.concat(parts, size);
  }

  read<V>(layout: Struct<V>): V {
    const bytes = this.take(layout.size);
    try {
      return layout.read(bytes, 0);
    } catch (error) {
      if (!(error instanceof StructError)) throw error;
      throw this.corrupt(error.message);
    }
  }

  text(size: number): string {
    return this.take(size).toString('latin1');
  }

  corrupt(what: string): SquashfsError {
    return corrupt(this.#table, this.#position, what);
  }

  /** The block that holds the next byte; goes on to the one behind when this one is used up. */
  #block(): MetadataBlock {
    const block = this.#reader.block(this.#table, this.#position, this.#end);
    if (this.#offset < block.bytes.length) return block;
    if (this.#offset > block.bytes.length) {
      throw this.corrupt(`offset ${this.#offset} in a block of ${block.bytes.length} bytes`);
    }
    this.#position = block.next;
    this.#offset = 0;
    return this.#reader.block(this.#table, this.#position, this.#end);
  }
}

/** An array of equal entries in metadata blocks. */
export class LookupTable<V> {
  readonly count: number;
  readonly #reader: MetadataReader;
  readonly #table: TableName;
  readonly #layout: Struct<V>;
  readonly #list: number;
  readonly #positions: Buffer;

  constructor(
    reader: MetadataReader,
    table: TableName,
    layout: Struct<V>,
    count: number,
    list: number,
    positions: Buffer,
  ) {
    this.#reader = reader;
    this.#table = table;
    this.#layout = layout;
    this.count = count;
    this.#list = list;
    this.#positions = positions;
  }

  /** Throws SquashfsError `corrupt` for an entry that does not exist: something in the image has named it. */
  entry(index: number): V {
    if (index >= this.count) {
      throw corrupt(this.#table, this.#list, `entry ${index} is asked for, of ${this.count}`);
    }
    const at = index * this.#layout.size;
    const block = Math.floor(at / metadataSize);
    let position: number;
    try {
      ({ position } = blockPosition.read(this.#positions, block * blockPosition.size));
    } catch (error) {
      throw corrupt(this.#table, this.#list, `block ${block} of the table lies nowhere`, error);
    }
    return this.#reader.cursor(this.#table, position, at % metadataSize, this.#list).read(this.#layout);
  }
}
