import type { ByteString, Timestamp, Xattrs } from '../tree/index.ts';
import type { SparseSegment } from './sparse.ts';

export type TarType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/**
 * One entry of an archive: the ustar header and all pax and GNU records that belong to it are one value, and a pax
 * value has already won over the field it extends (POSIX.1-2017 pax, "pax Extended Header").
 */
export interface TarEntry {
  readonly type: TarType;
  /** As the archive has it: may start with `/` or `./`, may end with `/`, may hold `..`; the layer judges that. */
  readonly path: ByteString;
  /** Of hardlinks and symlinks; '' otherwise. */
  readonly linkpath: ByteString;
  /** Content in bytes, sparse files expanded; 0 for all but files. */
  readonly size: number;
  /** 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly major: number;
  readonly minor: number;
  /** SCHILY.xattr and LIBARCHIVE.xattr records, decoded. */
  readonly xattrs: Xattrs;
}

/**
 * Where an archive has a file's content, for whoever wants to read it there. Archives are made of blocks of 512 bytes, so
 * `offset` is a multiple of that.
 */
export interface TarData {
  /** In bytes, from the start of the uncompressed archive. */
  readonly offset: number;
  /**
   * Of a sparse file: what is stored, in order, apart from each other and none of them empty. Their bytes lie behind one
   * another from `offset` on; all the rest of the file is zeros. Undefined: `size` bytes lie there.
   */
  readonly segments: readonly SparseSegment[] | undefined;
}

/**
 * What a TarParser calls, in stream order: `entry` once, then for a file `data` and `hole` until its size is reached,
 * then `end`. Called synchronously inside `TarParser.write`.
 */
export interface TarHandler {
  /** `data` is meaningless for all but files. */
  entry(entry: TarEntry, data: TarData): void;
  /** The next bytes of the file: a view into the chunk that was written, valid only during the call. */
  data(chunk: Uint8Array): void;
  /** The next `length` bytes of the file are zeros (a hole of a sparse file). */
  hole(length: number): void;
  /** The entry is complete. Called for every entry, also those without data. */
  end(): void;
}

/** Limits of the parser; each is an error that names the flag which raises it. */
export interface TarLimits {
  /** Bytes of the pax records (or a GNU long name) of one entry. */
  readonly paxBytes: number;
  /** Segments in the map of one sparse file. */
  readonly sparseSegments: number;
}
