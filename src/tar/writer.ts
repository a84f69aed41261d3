import { type ByteString, printable } from '../tree/index.ts';
import { writeChecksum } from './checksum.ts';
import { formatTime } from './decimal.ts';
import type { TarEntry, TarType } from './entry.ts';
import { TarError } from './error.ts';
import { blockSize, type Field, header, magic, paddingLength, typeflag } from './layout.ts';
import { fitsOctal, writeOctal } from './number.ts';
import { formatRecord } from './record.ts';
import { placePath } from './split.ts';
import { encodeXattrName, encodeXattrValue, libarchivePrefix, schilyPrefix } from './xattr.ts';

const flags: Readonly<Record<TarType, number>> = {
  file: typeflag.file,
  hardlink: typeflag.hardlink,
  symlink: typeflag.symlink,
  character: typeflag.character,
  block: typeflag.block,
  directory: typeflag.directory,
  fifo: typeflag.fifo,
};

const zeros = new Uint8Array(blockSize);

/**
 * The two blocks of zeros that end an archive. Nothing more: filling up the 10 KiB record is for tapes, costs a layer
 * bytes, and no reader of files wants it.
 */
export const endOfArchive: Uint8Array = new Uint8Array(2 * blockSize);

/** The zeros between the end of `size` bytes of data and the next block. */
export function padding(size: number): Uint8Array {
  return zeros.subarray(0, paddingLength(size));
}

/**
 * An entry's headers, canonical: the same entry gives the same bytes, whatever it was read from. One ustar block where
 * that can hold it all; otherwise a pax header before it with just the records that it lacks. A directory's path gets
 * its trailing slash. The content must follow as `size` bytes, without holes. An entry that no archive can hold (a NUL in a
 * path, no path at all, a number out of range) is a TarError `invalid`.
 */
export function formatHeader(entry: TarEntry): Uint8Array {
  checkEntry(entry);
  const path = pathOf(entry);
  const records = new Map<ByteString, Uint8Array>();
  const block = Buffer.alloc(blockSize);
  const { name, prefix } = header;

  const place = placePath(path);
  writeText(block, name, place.name);
  writeText(block, prefix, place.prefix);
  if (!place.whole) records.set('path', bytes(path));
  if (entry.linkpath.length > header.linkname.length) records.set('linkpath', bytes(entry.linkpath));
  writeText(block, header.linkname, entry.linkpath);

  writeOctal(block, header.mode, entry.mode);
  writeNumber(block, header.uid, entry.uid, 'uid', records);
  writeNumber(block, header.gid, entry.gid, 'gid', records);
  writeNumber(block, header.size, entry.size, 'size', records);
  writeNumber(block, header.devmajor, entry.major, 'SCHILY.devmajor', records);
  writeNumber(block, header.devminor, entry.minor, 'SCHILY.devminor', records);
  const { seconds, nanoseconds } = entry.mtime;
  const fits = fitsOctal(seconds, header.mtime);
  writeOctal(block, header.mtime, fits ? seconds : 0);
  if (!fits || nanoseconds !== 0) records.set('mtime', bytes(formatTime(entry.mtime)));
  for (const [xattr, value] of entry.xattrs) {
    // '=' ends a keyword. libarchive's spelling can hold it.
    if (xattr.includes('=')) {
      records.set(libarchivePrefix + encodeXattrName(xattr), bytes(encodeXattrValue(value)));
    } else {
      records.set(schilyPrefix + xattr, value);
    }
  }

  finish(block, flags[entry.type]);
  return records.size === 0 ? block : Buffer.concat([...formatPax(path, records), block]);
}

function checkEntry(entry: TarEntry): void {
  const problem = findProblem(entry);
  if (problem === undefined) return;
  const { path } = entry;
  throw new TarError('invalid', `no tar can hold ${JSON.stringify(printable(path))}: ${problem}`, {
    detail: { path },
  });
}

function findProblem({ path, linkpath, type, size, mode, uid, gid, mtime, major, minor, xattrs }: TarEntry) {
  if (path.includes('\0') || linkpath.includes('\0')) return 'there is a NUL in its path or target';
  if (type !== 'directory') {
    if (path === '') return 'it has no path';
    if (path.endsWith('/')) return `it is a ${type} whose path ends as a directory's`;
  }
  const isLink = type === 'hardlink' || type === 'symlink';
  if (isLink !== (linkpath !== '')) return 'a link has a target, anything else has none';
  if (type !== 'file' && size !== 0) return 'it has a size but is not a file';
  const inRange =
    within(size, Number.MAX_SAFE_INTEGER) &&
    within(mode, 0o7777) &&
    [uid, gid, major, minor].every(number => within(number, 0xffffffff)) &&
    Number.isSafeInteger(mtime.seconds) &&
    within(mtime.nanoseconds, 999_999_999);
  if (!inRange) return 'a number is out of range';
  for (const name of xattrs.keys()) {
    if (name === '' || name.includes('\0')) return 'an xattr has no proper name';
  }
  return undefined;
}

function within(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= most;
}

function pathOf({ type, path }: TarEntry): ByteString {
  if (type !== 'directory' || path.endsWith('/')) return path;
  return path === '' ? './' : `${path}/`;
}

/** What does not fit is zero in the header: a reader without pax must not take a part of a number for all of it. */
function writeNumber(
  block: Buffer,
  field: Field,
  value: number,
  keyword: ByteString,
  records: Map<ByteString, Uint8Array>,
): void {
  const fits = fitsOctal(value, field);
  writeOctal(block, field, fits ? value : 0);
  if (!fits) records.set(keyword, bytes(String(value)));
}

function writeText(block: Buffer, field: Field, text: ByteString): void {
  block.write(text, field.at, field.length, 'latin1');
}

function finish(block: Buffer, flag: number): void {
  block[header.typeflag.at] = flag;
  writeText(block, header.magic, magic.ustar);
  writeText(block, header.version, '00');
  writeChecksum(block);
}

/** A pax header, its data and padding. Records are sorted, which also puts `hdrcharset` before what it governs. */
function formatPax(path: ByteString, records: Map<ByteString, Uint8Array>): Buffer[] {
  // Without this word a path in a record is UTF-8 by definition, and strict readers refuse other bytes.
  if (!isUtf8(records.get('path')) || !isUtf8(records.get('linkpath'))) {
    records.set('hdrcharset', bytes('BINARY'));
  }
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
  const data = Buffer.concat(sorted.map(([keyword, value]) => formatRecord(keyword, value)));
  const block = Buffer.alloc(blockSize);
  writeText(block, header.name, paxName(path));
  writeOctal(block, header.mode, 0o644);
  for (const field of [header.uid, header.gid, header.mtime, header.devmajor, header.devminor]) {
    writeOctal(block, field, 0);
  }
  writeOctal(block, header.size, data.length);
  finish(block, typeflag.pax);
  return [block, data, Buffer.from(padding(data.length))];
}

/** A name for tars that know no pax and extract the header as a file. */
function paxName(path: ByteString): ByteString {
  const base = path.replace(/\/+$/, '').replace(/^.*\//s, '');
  return `PaxHeaders/${base === '' ? '.' : base}`.slice(0, header.name.length);
}

function bytes(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

function isUtf8(value: Uint8Array | undefined): boolean {
  if (value === undefined) return true;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(value);
    return true;
  } catch {
    return false;
  }
}
