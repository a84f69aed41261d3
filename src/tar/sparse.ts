import { parseDecimal } from './decimal.ts';
import { TarError } from './error.ts';
import { type Field, gnuSegment } from './layout.ts';
import { readUnsigned } from './number.ts';
import type { SparseRecords } from './sparse-record.ts';

/** Where a sparse file's stored data belongs. */
export interface SparseSegment {
  readonly offset: number;
  readonly length: number;
}

/** How a sparse file is laid out: its map is in the headers ('records'), or at the head of its data ('data'). */
export type SparseKind = 'records' | 'data';

/** A set of `GNU.sparse.name` alone is not a sparse file. */
export function isSparse(records: SparseRecords): boolean {
  return (
    records.major !== 0 ||
    records.size !== undefined ||
    records.realSize !== undefined ||
    records.segments !== undefined ||
    records.map !== undefined ||
    records.pairs.length > 0
  );
}

/** Tells version 1.0 from 0.0 and 0.1; another one is a TarError `unsupported`. */
export function sparseKind(records: SparseRecords): SparseKind {
  const { major, minor } = records;
  if (major === 1 && minor === 0) return 'data';
  if (major === 0 && minor <= 1) return 'records';
  throw new TarError('unsupported', `GNU sparse format ${major}.${minor} is not known`, {
    detail: { major, minor },
  });
}

/** The file's size with its holes. */
export function realSizeOf(records: SparseRecords): number {
  const size = records.realSize ?? records.size;
  if (size === undefined) throw new TarError('corrupt', 'a sparse file does not say its real size');
  return size;
}

/** Collects the segments of one map and keeps count of them. */
export class SparseMapBuilder {
  readonly segments: SparseSegment[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(offset: number, length: number): void {
    this.expect(this.segments.length + 1);
    this.segments.push({ offset, length });
  }

  /** A map of so many segments is coming. */
  expect(count: number): void {
    if (count <= this.#most) return;
    throw new TarError('exhausted', `a sparse file of more than ${this.#most} segments (--max-sparse)`, {
      detail: { limit: this.#most, flag: '--max-sparse' },
      hint: 'raise --max-sparse if the archive is to be trusted',
    });
  }
}

/** The map of versions 0.0 and 0.1, which stands in the records. */
export function readRecordMap(records: SparseRecords, builder: SparseMapBuilder): void {
  if (records.map !== undefined) readMapRecord(records.map, builder);
  else readPairs(records.pairs, builder);
  const { length } = builder.segments;
  if (records.segments !== undefined && records.segments !== length) {
    throw new TarError('corrupt', `a sparse map of ${length} segments that announces ${records.segments}`);
  }
}

function readPairs(pairs: readonly number[], builder: SparseMapBuilder): void {
  if (pairs.length % 2 !== 0) throw new TarError('corrupt', 'the last GNU.sparse.offset has no numbytes');
  for (let index = 0; index < pairs.length; index += 2) builder.add(pairs[index]!, pairs[index + 1]!);
}

function readMapRecord(map: string, builder: SparseMapBuilder): void {
  if (map === '') return;
  const keyword = 'GNU.sparse.map';
  const numbers = map.split(',');
  if (numbers.length % 2 !== 0) throw new TarError('corrupt', `${keyword} has an odd number of values`);
  builder.expect(numbers.length / 2);
  for (let index = 0; index < numbers.length; index += 2) {
    builder.add(parseDecimal(numbers[index]!, keyword), parseDecimal(numbers[index + 1]!, keyword));
  }
}

/** The old GNU map in a header or an extension block: it ends at the first empty slot. */
export function readGnuMap(block: Buffer, base: number, area: Field, builder: SparseMapBuilder): void {
  const { size, offset, length } = gnuSegment;
  for (let at = 0; at + size <= area.length; at += size) {
    const slot = base + area.at + at;
    if (block[slot + length.at] === 0) return;
    builder.add(
      readUnsigned(block, slot, offset, 'sparse offset'),
      readUnsigned(block, slot, length, 'sparse numbytes'),
    );
  }
}

/**
 * A map that can be expanded in one pass: segments in order, apart, within the file, and together exactly the stored
 * bytes. Anything else is a TarError `corrupt`.
 */
export function validateSparseMap(
  segments: readonly SparseSegment[],
  realSize: number,
  stored: number,
): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of segments) {
    if (offset < end) throw badMap('overlaps itself or is out of order', realSize, stored);
    // Subtraction cannot leave the safe range as the sum of two large numbers can.
    if (offset > realSize || length > realSize - offset) {
      throw badMap('reaches beyond its real size', realSize, stored);
    }
    end = offset + length;
    total += length;
  }
  if (total !== stored) throw badMap(`describes ${total} of ${stored} stored bytes`, realSize, stored);
}

function badMap(what: string, realSize: number, stored: number): TarError {
  return new TarError('corrupt', `the sparse map of the file ${what}`, { detail: { realSize, stored } });
}
