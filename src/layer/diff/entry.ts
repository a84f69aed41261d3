import type { ByteString, Timestamp, Xattrs } from '../../tree/index.ts';

/**
 * One path of an upper directory in the words of the kernel's OverlayFS, whatever its own form is: a 0:0 character device
 * deletes the name, `trusted.overlay.opaque` = `y` hides what is below. A zone's guest tells the same (zone-protocol.md:
 * ENTRY and the DATA that follows), so nothing of it counts as checked but that the numbers are numbers.
 */
export interface ChangeEntry {
  /** '' is the upper directory itself. */
  readonly path: ByteString;
  /** With the type, as st_mode has it. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  /** Of a device node. */
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  /** Paths with one number and more than one link are one file. */
  readonly inode: bigint | number;
  readonly links: number;
  /** Of a regular file, in bytes. */
  readonly size?: number | undefined;
  /** Of a symlink. */
  readonly target?: ByteString | undefined;
  readonly xattrs: Xattrs;
  /**
   * The bytes of a regular file whose inode was not seen before. Read to its end before the next entry is asked for.
   */
  readonly content?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined;
  /** What whoever tells it knows of it; `changed` if absent. */
  readonly status?: ChangeStatus | undefined;
}

/**
 * `parent`: a directory that did not change, and is there for what is in it. Layers have an entry for such a one, though the
 * contract can do without: tools that unpack a layer by itself make a missing parent by rules of their own (erofs-utils
 * gives it mode 0777), and show that over the right one. The root as a parent has none. `implied`: a directory of which
 * nobody knows what its metadata should be; it has no entry.
 */
export type ChangeStatus = 'added' | 'changed' | 'parent' | 'implied';

/** What the changes are in a layer's terms, checked. */
export type Change =
  | { readonly kind: 'whiteout'; readonly path: ByteString }
  | {
      readonly kind: 'entry';
      readonly entry: ChangeEntry;
      readonly type: ChangeType;
      readonly opaque: boolean;
    };

export type ChangeType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';
