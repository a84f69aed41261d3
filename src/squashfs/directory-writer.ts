import type { ByteString, Entry, InodeType } from '../tree/index.ts';
import { directoryEntry, directoryHeader, inodeTypes, maxRunLength, metadataSize } from './layout.ts';
import type { MetadataWriter } from './metadata-writer.ts';

/** Where inodes went, by `Node.index`: each inode's metadata reference and its number. */
export interface InodePlaces {
  readonly references: Float64Array;
  readonly numbers: Uint32Array;
}

/** Finds the header that a large listing has in a further metadata block. */
export interface IndexEntry {
  /** Bytes of the listing before the header. */
  readonly position: number;
  /** The metadata block that the header begins in, from the directory table's start. */
  readonly start: number;
  /** The name behind the header. */
  readonly name: ByteString;
}

export interface Listing {
  readonly start: number;
  readonly offset: number;
  /** In bytes, without the 3 that an inode adds. */
  readonly size: number;
  /** Empty when the listing fits a metadata block. */
  readonly index: readonly IndexEntry[];
}

const emptyListing: Listing = { start: 0, offset: 0, size: 0, index: [] };

/** The inode counts its index entries in 16 bits. A listing that needs more keeps every second, third … of them. */
const maxIndexEntries = 0xffff;

/**
 * Appends a directory's listing. Entries come in byte order of their names, in runs: a run shares the metadata block
 * that its inodes begin in, has numbers close to its first one's, and ends at the listing's block boundaries, so that
 * an index leads to the one block that can hold a name.
 */
export function writeListing<C>(
  table: MetadataWriter,
  entries: readonly Entry<C>[],
  places: InodePlaces,
): Listing {
  if (entries.length === 0) return emptyListing;
  const { block: start, offset } = table;
  const index: IndexEntry[] = [];
  let size = 0;
  let indexed = start;
  for (let done = 0; done < entries.length; ) {
    const first = entries[done]!;
    if (table.block !== indexed) {
      indexed = table.block;
      index.push({ position: size, start: indexed, name: first.name });
    }
    const end = runEnd(entries, done, places, metadataSize - table.offset);
    const inodeNumber = places.numbers[first.node.index]!;
    const inodeBlock = blockOf(places.references[first.node.index]!);
    table.put(directoryHeader, { count: end - done - 1, start: inodeBlock, inodeNumber });
    size += directoryHeader.size;
    for (; done < end; done++) {
      const { name, node } = entries[done]!;
      table.put(directoryEntry, {
        offset: places.references[node.index]! % 0x10000,
        inodeDelta: places.numbers[node.index]! - inodeNumber,
        type: inodeTypes[node.inode.type as InodeType],
        nameSize: name.length - 1,
      });
      table.text(name);
      size += directoryEntry.size + name.length;
    }
  }
  return { start, offset, size, index: size > metadataSize ? thinned(index) : [] };
}

/** The first entry that cannot join the run beginning at `first`; `room` bytes are left in the listing's block. */
function runEnd<C>(entries: readonly Entry<C>[], first: number, places: InodePlaces, room: number): number {
  const base = entries[first]!.node.index;
  const inodeBlock = blockOf(places.references[base]!);
  const number = places.numbers[base]!;
  let bytes = directoryHeader.size;
  let end = first;
  for (; end < entries.length && end - first < maxRunLength; end++) {
    const { name, node } = entries[end]!;
    const delta = places.numbers[node.index]! - number;
    if (blockOf(places.references[node.index]!) !== inodeBlock || delta < -0x8000 || delta > 0x7fff) break;
    if (end > first && bytes >= room) break;
    bytes += directoryEntry.size + name.length;
  }
  return end;
}

function blockOf(reference: number): number {
  return Math.floor(reference / 0x10000);
}

function thinned(index: readonly IndexEntry[]): readonly IndexEntry[] {
  const step = Math.ceil(index.length / maxIndexEntries);
  return step <= 1 ? index : index.filter((_, place) => place % step === 0);
}
