import type { ByteString, InodeType } from '../tree/index.ts';
import { findInodeType, type StoredDirectory } from './inode-reader.ts';
import {
  directoryEntry,
  directoryHeader,
  directoryIndex,
  maxNameLength,
  maxRunLength,
  metadataSize,
} from './layout.ts';
import type { MetadataCursor } from './metadata-reader.ts';

/** A name in a directory. */
export interface StoredEntry {
  readonly name: ByteString;
  readonly type: InodeType;
  /** The inode's number and place. */
  readonly number: number;
  readonly reference: number;
}

/** Yields the entries of `size` bytes of listing. Names are checked: no `/`, no NUL, not `.` and `..`. */
export function* readListing(cursor: MetadataCursor, size: number): Generator<StoredEntry, void, undefined> {
  let left = size;
  while (left > 0) {
    const header = cursor.read(directoryHeader);
    left -= directoryHeader.size;
    if (header.count >= maxRunLength) throw cursor.corrupt(`a run of ${header.count + 1} entries`);
    for (let missing = header.count + 1; missing > 0; missing--) {
      const { offset, inodeDelta, type, nameSize } = cursor.read(directoryEntry);
      if (nameSize >= maxNameLength) throw cursor.corrupt(`a name of ${nameSize + 1} bytes`);
      left -= directoryEntry.size + nameSize + 1;
      if (left < 0) throw cursor.corrupt(`a listing of ${size} bytes that ends within an entry`);
      const name = cursor.text(nameSize + 1);
      if (name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
        throw cursor.corrupt(`${JSON.stringify(name)} is not a file's name`);
      }
      const typeName = findInodeType(type);
      if (typeName === undefined) throw cursor.corrupt(`an entry of type ${type}`);
      yield {
        name,
        type: typeName,
        number: header.inodeNumber + inodeDelta,
        reference: header.start * 0x10000 + offset,
      };
    }
  }
}

/** Where to begin looking for a name: the last indexed header whose name is not behind it, else the listing's start. */
export function findRun(
  cursor: MetadataCursor,
  { index, listingStart, listingOffset, listingSize }: StoredDirectory,
  name: ByteString,
): { readonly start: number; readonly offset: number; readonly size: number } {
  let found = { start: listingStart, offset: listingOffset, size: listingSize };
  for (let entry = 0; entry < index.count; entry++) {
    const { position, start, nameSize } = cursor.read(directoryIndex);
    if (nameSize >= maxNameLength || position > listingSize) {
      throw cursor.corrupt(`an index entry for byte ${position} of ${listingSize}`);
    }
    if (cursor.text(nameSize + 1) > name) break;
    found = { start, offset: (listingOffset + position) % metadataSize, size: listingSize - position };
  }
  return found;
}
