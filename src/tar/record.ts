import type { ByteString } from '../tree/index.ts';
import { TarError } from './error.ts';

/** Gets each record in order; the value is `bytes[start, end)`. */
export type RecordVisitor = (keyword: ByteString, bytes: Buffer, start: number, end: number) => void;

const newline = 0x0a;
const space = 0x20;
const equals = 0x3d;

/**
 * Walks over the records of a pax header, each `LENGTH KEYWORD=VALUE\n` with LENGTH counting all of itself. Lengths
 * rule: a value may hold newlines, `=` and any other byte. Anything malformed is a TarError `corrupt`.
 */
export function readRecords(bytes: Buffer, visit: RecordVisitor): void {
  for (let start = 0; start < bytes.length; ) {
    let at = start;
    let length = 0;
    for (; at < bytes.length; at += 1) {
      const digit = bytes[at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      length = length * 10 + digit;
      if (length > bytes.length - start) throw badRecord(start, 'is longer than its header');
    }
    if (at === start || bytes[at] !== space) throw badRecord(start, 'has no length');
    const keyword = at + 1;
    const end = start + length - 1;
    if (end < keyword || bytes[end] !== newline) throw badRecord(start, 'does not end with a newline');
    let separator = keyword;
    while (separator < end && bytes[separator] !== equals) separator += 1;
    if (separator === end || separator === keyword) throw badRecord(start, 'has no keyword');
    visit(bytes.toString('latin1', keyword, separator), bytes, separator + 1, end);
    start = end + 1;
  }
}

function badRecord(at: number, what: string): TarError {
  return new TarError('corrupt', `the pax record at byte ${at} of its header ${what}`);
}

/** One record, its own length included in its length. */
export function formatRecord(keyword: ByteString, value: Uint8Array): Buffer {
  const rest = 1 + keyword.length + 1 + value.length + 1;
  let length = rest + String(rest).length;
  // The digits may push the length over a power of ten, and then need one more.
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  const head = `${length} ${keyword}=`;
  const record = Buffer.alloc(length);
  record.write(head, 0, 'latin1');
  record.set(value, head.length);
  record[length - 1] = newline;
  return record;
}
