import type { BigIntStats } from 'node:fs';
import type { ByteString } from '../../tree/index.ts';

/** Where a directory's entries are: `at` gives a path of one of them, '.' the directory itself. A `Descent` is one. */
export interface Place {
  at(name: ByteString): ByteString;
}

/** How one form says what is deleted below. Nothing here follows a symlink; calls throw as `fs` does. */
export interface Marks {
  /** Whether what stands at a name deletes that name below; then nothing stands there. */
  isWhiteout(stats: BigIntStats): boolean;
  /** Whether a name at which nothing stands is deleted below. */
  hasWhiteout(place: Place, name: ByteString): boolean;
  /** Nothing may stand at the name. */
  placeWhiteout(place: Place, name: ByteString): void;
  /** Asked before something new comes to the name; what that replaces by itself can stay. */
  clearWhiteout(place: Place, name: ByteString): void;
  isOpaque(place: Place): boolean;
  markOpaque(place: Place): void;
  /** The directory holds whiteouts, and nobody knows whether one stands below. */
  markOrigin(place: Place): void;
  /** Nobody knows what the directory's metadata should be (`adoptParents`). */
  markImplied(place: Place): void;
  isImplied(place: Place): boolean;
  clearImplied(place: Place): void;
  /** Whether an xattr is the form's own, and no metadata. */
  isOwnXattr(name: ByteString): boolean;
  /** What a name says that is the form's own and no entry's; `undefined` of an entry's name. */
  readName(name: ByteString): NameMark | undefined;
}

export type NameMark = { readonly kind: 'whiteout'; readonly name: ByteString } | { readonly kind: 'other' };
