import type { ImageSource } from '../bytes/image-source.ts';
import { struct, u64 } from '../bytes/struct.ts';
import type { ByteString, Xattrs } from '../tree/index.ts';
import type { Budget } from './budget.ts';
import {
  xattrEntry,
  xattrId,
  xattrOutOfLine,
  xattrPrefixes,
  xattrTableHeader,
  xattrValue,
} from './layout.ts';
import { corrupt, type LookupTable, type MetadataCursor, type MetadataReader } from './metadata-reader.ts';

const outOfLine = struct({ reference: u64 });

/** What a pair costs in memory, apart from its name and value. */
const pairCost = 128;

/** Reads sets of xattrs by number. */
export class XattrReader {
  readonly #reader: MetadataReader;
  readonly #ids: LookupTable<{ readonly reference: number; readonly count: number; readonly size: number }>;
  readonly #start: number;
  readonly #end: number;

  /** `position` is where the superblock points to. */
  constructor(source: ImageSource, reader: MetadataReader, position: number, bytesUsed: number) {
    const bytes = new Uint8Array(xattrTableHeader.size);
    if (position + bytes.length > bytesUsed) throw corrupt('xattr', position, 'the table is cut');
    source.readAt(position, bytes);
    let header: { readonly pairsStart: number; readonly count: number };
    try {
      header = xattrTableHeader.read(bytes, 0);
    } catch (error) {
      throw corrupt('xattr', position, 'the pairs lie nowhere', error);
    }
    if (header.pairsStart > position) throw corrupt('xattr', position, 'the pairs lie behind their table');
    this.#reader = reader;
    this.#start = header.pairsStart;
    this.#end = position;
    this.#ids = reader.lookupTable('xattr id', xattrId, header.count, position + bytes.length, bytesUsed);
  }

  read(index: number, budget: Budget): Xattrs {
    const { reference, count } = this.#ids.entry(index);
    const cursor = this.#cursor(reference);
    const xattrs = new Map<ByteString, Uint8Array>();
    for (let pair = 0; pair < count; pair++) {
      const { type, nameSize } = cursor.read(xattrEntry);
      const prefix = xattrPrefixes[type % xattrOutOfLine];
      if (prefix === undefined || type >= 2 * xattrOutOfLine) {
        throw cursor.corrupt(`an xattr of type 0x${type.toString(16)}`);
      }
      budget.charge(pairCost + nameSize);
      const name = prefix + cursor.text(nameSize);
      const { size } = cursor.read(xattrValue);
      if (xattrs.has(name)) throw cursor.corrupt('a set that has the same xattr twice');
      if (type < xattrOutOfLine) {
        xattrs.set(name, value(cursor, size, budget));
        continue;
      }
      if (size !== outOfLine.size) throw cursor.corrupt(`a reference to a value, of ${size} bytes`);
      const elsewhere = this.#cursor(cursor.read(outOfLine).reference);
      xattrs.set(name, value(elsewhere, elsewhere.read(xattrValue).size, budget));
    }
    return xattrs;
  }

  #cursor(reference: number): MetadataCursor {
    const position = this.#start + Math.floor(reference / 0x10000);
    return this.#reader.cursor('xattr', position, reference % 0x10000, this.#end);
  }
}

function value(cursor: MetadataCursor, size: number, budget: Budget): Uint8Array {
  budget.charge(size);
  return size === 0 ? new Uint8Array(0) : new Uint8Array(cursor.take(size));
}
