import type { ByteString, Timestamp } from '../tree/index.ts';
import { parseDecimal, parseTime } from './decimal.ts';
import { TarError } from './error.ts';
import { readRecords } from './record.ts';
import { readSparseRecord, SparseRecords, sparsePrefix } from './sparse-record.ts';
import { decodeXattrName, decodeXattrValue, libarchivePrefix, schilyPrefix } from './xattr.ts';

/** `undefined`: nothing said; `null`: an empty record, which gives the field back to the header (POSIX). */
type Override<T> = T | null | undefined;

/**
 * What pax headers say about an entry, keywords decoded. Several headers may be read into one; the last record of a
 * keyword wins. `hdrcharset` needs no notice, since every value is taken as bytes; what is not named here is ignored.
 */
export class PaxFields {
  path: Override<ByteString> = undefined;
  linkpath: Override<ByteString> = undefined;
  size: Override<number> = undefined;
  uid: Override<number> = undefined;
  gid: Override<number> = undefined;
  mtime: Override<Timestamp> = undefined;
  major: Override<number> = undefined;
  minor: Override<number> = undefined;
  schilyXattrs: Map<ByteString, Uint8Array> | undefined = undefined;
  libarchiveXattrs: Map<ByteString, Uint8Array> | undefined = undefined;
  sparse: SparseRecords | undefined = undefined;
}

/** Reads the records of one `x` header's data into `fields`. */
export function readPax(bytes: Buffer, fields: PaxFields): void {
  readRecords(bytes, (keyword, source, start, end) => readField(fields, keyword, source, start, end));
}

function readField(fields: PaxFields, keyword: ByteString, bytes: Buffer, start: number, end: number): void {
  switch (keyword) {
    case 'path':
      fields.path = text(keyword, bytes, start, end);
      return;
    case 'linkpath':
      fields.linkpath = text(keyword, bytes, start, end);
      return;
    case 'size':
      fields.size = decimal(keyword, bytes, start, end);
      return;
    case 'uid':
      fields.uid = decimal(keyword, bytes, start, end);
      return;
    case 'gid':
      fields.gid = decimal(keyword, bytes, start, end);
      return;
    case 'mtime':
      fields.mtime = start === end ? null : parseTime(bytes.toString('latin1', start, end), keyword);
      return;
    case 'SCHILY.devmajor':
      fields.major = decimal(keyword, bytes, start, end);
      return;
    case 'SCHILY.devminor':
      fields.minor = decimal(keyword, bytes, start, end);
      return;
  }
  if (keyword.startsWith(schilyPrefix)) {
    const name = xattrName(keyword.slice(schilyPrefix.length), keyword);
    fields.schilyXattrs ??= new Map();
    fields.schilyXattrs.set(name, new Uint8Array(bytes.subarray(start, end)));
  } else if (keyword.startsWith(libarchivePrefix)) {
    const name = xattrName(decodeXattrName(keyword.slice(libarchivePrefix.length)), keyword);
    fields.libarchiveXattrs ??= new Map();
    fields.libarchiveXattrs.set(name, decodeXattrValue(bytes.toString('latin1', start, end), name));
  } else if (keyword.startsWith(sparsePrefix)) {
    fields.sparse ??= new SparseRecords();
    readSparseRecord(fields.sparse, keyword, bytes.toString('latin1', start, end));
  }
}

function text(keyword: ByteString, bytes: Buffer, start: number, end: number): ByteString | null {
  if (start === end) return null;
  const value = bytes.toString('latin1', start, end);
  if (value.includes('\0')) {
    // C programs would stop there and see another path than the rest of the world.
    throw new TarError('invalid', `the pax record ${keyword} holds a NUL`);
  }
  return value;
}

function decimal(keyword: ByteString, bytes: Buffer, start: number, end: number): number | null {
  return start === end ? null : parseDecimal(bytes.toString('latin1', start, end), keyword);
}

function xattrName(name: ByteString, keyword: ByteString): ByteString {
  if (name === '' || name.includes('\0')) {
    throw new TarError('invalid', `the pax record ${JSON.stringify(keyword)} does not name an xattr`);
  }
  return name;
}
