import { type ByteString, type InodeType, printable } from '../tree/index.ts';
import { directoryEntry, fileTypes, maxNameLength } from './layout.ts';
import { corrupt } from './metadata-reader.ts';

/** A name in a directory. */
export interface StoredEntry {
  readonly name: ByteString;
  readonly nid: number;
  /** As the directory says it; undefined when it says nothing. */
  readonly type: InodeType | undefined;
}

const typeNames = new Map(Object.entries(fileTypes).map(([type, number]) => [number, type as InodeType]));

/** One block of a directory: its entries, then their names. */
export class DirectoryBlock {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #position: number;

  /** `position` is of the directory's inode, for messages. */
  constructor(bytes: Buffer, position: number) {
    this.#bytes = bytes;
    this.#position = position;
    const first = bytes.length < directoryEntry.size ? 0 : this.#nameOffset(0);
    if (first === 0 || first % directoryEntry.size !== 0 || first > bytes.length) {
      throw this.#bad(`a block of ${bytes.length} bytes whose first name is at byte ${first}`);
    }
    this.count = first / directoryEntry.size;
  }

  /** Names are checked: none is empty, too long or holds a `/` or NUL. `.` and `..` are among them. */
  name(index: number): ByteString {
    const bytes = this.#bytes;
    const from = this.#nameOffset(index);
    const isLast = index + 1 === this.count;
    let to = isLast ? bytes.length : this.#nameOffset(index + 1);
    if (isLast) {
      // Zeros fill what is left of the block.
      const nul = bytes.indexOf(0, from);
      if (nul >= 0) to = nul;
    }
    const least = this.count * directoryEntry.size;
    if (from < least || to <= from || to > bytes.length || to - from > maxNameLength) {
      throw this.#bad(`a name from byte ${from} to ${to} of a block of ${bytes.length} bytes`);
    }
    const name = bytes.toString('latin1', from, to);
    if (name.includes('/') || name.includes('\0')) {
      throw this.#bad(`${JSON.stringify(name)} is not a file's name`);
    }
    return name;
  }

  entry(index: number): StoredEntry {
    const at = index * directoryEntry.size;
    const name = this.name(index);
    const high = this.#bytes.readUInt32LE(at + 4);
    // A nid counts 32 bytes: an image that is larger than 2^52 is none.
    if (high > 0x7fff) throw this.#bad(`${printable(name)} is an inode outside of the image`);
    const nid = high * 0x100000000 + this.#bytes.readUInt32LE(at);
    const number = this.#bytes[at + directoryEntry.offsets.type]!;
    const type = typeNames.get(number);
    if (type === undefined && number !== 0) throw this.#bad(`${printable(name)} is of type ${number}`);
    return { name, nid, type };
  }

  /** The position of a name; undefined when it is not in this block. */
  find(name: ByteString): number | undefined {
    let from = 0;
    for (let to = this.count; from < to; ) {
      const middle = Math.floor((from + to) / 2);
      if (this.name(middle) < name) from = middle + 1;
      else to = middle;
    }
    return from < this.count && this.name(from) === name ? from : undefined;
  }

  #nameOffset(index: number): number {
    return this.#bytes.readUInt16LE(index * directoryEntry.size + directoryEntry.offsets.nameOffset);
  }

  #bad(what: string) {
    return corrupt('directory', this.#position, what);
  }
}

/** All entries in their order, `.` and `..` too. `corrupt` when they are not in byte order, or one is there twice. */
export function* readEntries(
  blocks: Iterable<Buffer>,
  position: number,
): Generator<StoredEntry, void, undefined> {
  let last = '';
  for (const bytes of blocks) {
    const block = new DirectoryBlock(bytes, position);
    for (let index = 0; index < block.count; index++) {
      const entry = block.entry(index);
      if (entry.name <= last) {
        const what = `${printable(entry.name)} behind ${printable(last)}`;
        throw corrupt('directory', position, `entries out of order: ${what}`);
      }
      last = entry.name;
      yield entry;
    }
  }
}
