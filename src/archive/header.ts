import { ArchiveError } from './error.ts';

/** What finding members takes of a tar header (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual). */
export interface MemberHeader {
  readonly type: string;
  readonly name: string;
  readonly linkname: string;
  /** Bytes of data that follow, without the padding. */
  readonly size: number;
}

export const blockSize = 512;

/** `undefined` for a block of zeros. A wrong checksum or a malformed number: ArchiveError `corrupt`. */
export function parseHeader(block: Buffer, where: string): MemberHeader | undefined {
  let [unsigned, signed] = [0, 0];
  for (let index = 0; index < blockSize; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : block[index]!;
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  if (unsigned === 8 * 0x20 && block.every(byte => byte === 0)) return undefined;
  const sum = parseNumber(block, 148, 8);
  if (sum === undefined || (sum !== unsigned && sum !== signed)) {
    throw new ArchiveError('corrupt', `${where}: no tar header, its checksum is wrong`);
  }
  const size = parseNumber(block, 124, 12);
  if (size === undefined)
    throw new ArchiveError('corrupt', `${where}: the size in the tar header is no number`);
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    type: block.toString('latin1', 156, 157),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkname: text(block, 157, 100),
    size,
  };
}

/** The records of a pax header, last one first in force; a malformed one: ArchiveError `corrupt`. */
export function parseRecords(data: Buffer, where: string): Map<string, string> {
  const records = new Map<string, string>();
  for (let start = 0; start < data.length; ) {
    const space = data.indexOf(0x20, start);
    const digits = data.toString('latin1', start, space === -1 || space - start > 8 ? start : space);
    const end = start + Number(digits);
    const equals = data.indexOf(0x3d, space + 1);
    if (
      !/^[1-9]\d*$/.test(digits) ||
      end > data.length ||
      equals === -1 ||
      equals >= end ||
      data[end - 1] !== 0x0a
    ) {
      throw new ArchiveError('corrupt', `${where}: malformed pax record`);
    }
    records.set(data.toString('latin1', space + 1, equals), data.toString('latin1', equals + 1, end - 1));
    start = end;
  }
  return records;
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end === -1 || end > start + length ? start + length : end);
}

/** Octal, or base-256 when the first bit is set; `undefined` if it is neither, negative or over 2^53 - 1. */
function parseNumber(block: Buffer, start: number, length: number): number | undefined {
  if (block[start]! >= 0x80) {
    let value = block[start]! - 0x80;
    for (let index = start + 1; index < start + length; index++) value = value * 256 + block[index]!;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = text(block, start, length).trim();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}
