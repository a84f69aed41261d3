import type { TarData } from '../tar/index.ts';
import type { ByteString, Timestamp, Xattrs } from '../tree/index.ts';

/**
 * One record of a layer after normalisation (ARCHITECTURE, "Merge semantics", rules 1, 3, 9, 10): its path has no
 * leading, doubled or trailing slash, no `.` and no `..` component; '' is the root. Symlinked parents are *not*
 * resolved here, for that takes the layers below.
 */
export type LayerEntry =
  | LayerFile
  | LayerDirectory
  | LayerSymlink
  | LayerDevice
  | LayerPipe
  | LayerHardlink
  | LayerWhiteout
  | LayerOpaque;

interface Metadata {
  readonly path: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: Xattrs;
}
export interface LayerFile extends Metadata {
  readonly type: 'file';
  /** Bytes, sparse files expanded. */
  readonly size: number;
  /** Where its stored content begins in the uncompressed tar (see `TarData`), in bytes. Undefined: in no tar that is known. */
  readonly offset: number | undefined;
  /** The map of a sparse file (see `TarData`). */
  readonly segments: TarData['segments'];
}
export interface LayerDirectory extends Metadata {
  readonly type: 'directory';
}
export interface LayerSymlink extends Metadata {
  readonly type: 'symlink';
  readonly target: ByteString;
}
export interface LayerDevice extends Metadata {
  readonly type: 'block' | 'character';
  readonly major: number;
  readonly minor: number;
}
export interface LayerPipe extends Metadata {
  readonly type: 'fifo';
}
/** `target` is normalised as a path is, and as it stands at this point of the stream (rule 6). */
export interface LayerHardlink {
  readonly type: 'hardlink';
  readonly path: ByteString;
  readonly target: ByteString;
}
/** Deletes `path` (the name without `.wh.`) from the layers below (rule 2). */
export interface LayerWhiteout {
  readonly type: 'whiteout';
  readonly path: ByteString;
}
/** Hides what the layers below put into the directory `path` (rule 3). */
export interface LayerOpaque {
  readonly type: 'opaque';
  readonly path: ByteString;
}

/** What is known of a layer without its data: the merge needs nothing else. */
export interface LayerIndex {
  /** In stream order; ignored records (AUFS metadata, 0:0 devices) are not there. Positions name contents. */
  readonly entries: readonly LayerEntry[];
}
