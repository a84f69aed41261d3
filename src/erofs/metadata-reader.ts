import type { ImageSource } from '../bytes/image-source.ts';
import { type Struct, StructError } from '../bytes/struct.ts';
import { ErofsError } from './error.ts';

/** What is read, for messages. */
export type TableName =
  | 'superblock'
  | 'device table'
  | 'inode'
  | 'directory'
  | 'symlink'
  | 'xattr'
  | 'xattr prefix'
  | 'chunk index'
  | 'cluster index'
  | 'data';

/** `offset` counts from the image's start. */
export function corrupt(table: TableName, offset: number, what: string, cause?: unknown): ErofsError {
  return new ErofsError('corrupt', `corrupt erofs image: ${table}, at byte ${offset}: ${what}`, {
    detail: { table, offset },
    ...(cause === undefined ? {} : { cause }),
  });
}

export function unsupported(table: TableName, offset: number, what: string, cause?: unknown): ErofsError {
  return new ErofsError('unsupported', `erofs image: ${table}, at byte ${offset}: ${what}`, {
    detail: { table, offset },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Metadata is read in pages of this many bytes, whatever the image's blocks are. */
const pageSize = 16384;
/** Pages that are kept: twice as many at most, 8 MiB. */
const cachedPages = 256;

/** Reads metadata, which lies anywhere in the primary device, and keeps the pages that were used last. */
export class MetadataReader {
  readonly #source: ImageSource;
  #recent = new Map<number, Buffer>();
  #older = new Map<number, Buffer>();

  constructor(source: ImageSource) {
    this.#source = source;
  }

  /** The end of what can be read. */
  get end(): number {
    return this.#source.size;
  }

  /** These bytes: a view of a cached page where they lie in one, to be used up at once. `corrupt` behind the image's end. */
  take(table: TableName, position: number, size: number): Buffer {
    if (position < 0 || position + size > this.#source.size) {
      throw corrupt(
        table,
        position,
        `${size} bytes are expected, but the image ends at ${this.#source.size}`,
      );
    }
    const offset = position % pageSize;
    if (offset + size <= pageSize) {
      return this.#page((position - offset) / pageSize).subarray(offset, offset + size);
    }
    const bytes = Buffer.alloc(size);
    this.#source.readAt(position, bytes);
    return bytes;
  }

  read<V>(table: TableName, position: number, layout: Struct<V>): V {
    const bytes = this.take(table, position, layout.size);
    try {
      return layout.read(bytes, 0);
    } catch (error) {
      if (!(error instanceof StructError)) throw error;
      throw corrupt(table, position, error.message);
    }
  }

  #page(index: number): Buffer {
    const recent = this.#recent.get(index);
    if (recent !== undefined) return recent;
    let page = this.#older.get(index);
    if (page === undefined) {
      const position = index * pageSize;
      page = Buffer.alloc(Math.min(pageSize, this.#source.size - position));
      this.#source.readAt(position, page);
    }
    if (this.#recent.size >= cachedPages) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(index, page);
    return page;
  }
}
