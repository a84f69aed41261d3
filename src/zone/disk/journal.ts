import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { wrapErrno } from '../../error/index.ts';
import { createSparse } from '../../host/ext4.ts';
import { DiskError } from './error.ts';

/** Bytes of a journal unless configured. */
export const journalSize = 1024 * 1024;
const headerSize = 4096;
const mostRecord = 32_768;
/** Room for two of the largest records: init takes no less. */
const leastJournal = headerSize + 2 * 32_768;
const mostJournal = 64 * 1024 * 1024;
const recordHeader = 16;

export type JournalState = 'empty' | 'started' | 'ended' | 'failed';

export interface JournalRecord {
  readonly time: Date;
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
  /** Where the next record begins: `from` of a later reading that goes on here. */
  readonly next: number;
}

/** What a zone's journal says. All of it comes from the guest. */
export interface JournalReport {
  readonly state: JournalState;
  readonly started?: Date;
  readonly ended?: Date;
  /** Once it has ended: the exit status, or the number of the signal that ended it. */
  readonly status?: number;
  readonly signal?: number;
  /** As EXIT has them: 1 out of memory, 2 time limit. */
  readonly flags: number;
  readonly failure?: { readonly what: string; readonly errno: number; readonly text: string };
  /** Oldest first. */
  readonly records: readonly JournalRecord[];
  /**
   * Positions count all bytes that were ever written: where the oldest record that is kept begins, and where the next
   * one will.
   */
  readonly begin: number;
  readonly end: number;
  /** What is not as it should be, where something is: then the rest of the report is what could be read. */
  readonly damage?: string;
}

/**
 * Makes the empty disk of a journal (zone-protocol.md, "The journal"). DiskError `invalid` for a size that it cannot
 * have.
 */
export async function createJournal(path: string, bytes: number = journalSize): Promise<void> {
  if (!Number.isSafeInteger(bytes) || bytes % 4096 !== 0 || bytes < leastJournal || bytes > mostJournal) {
    throw new DiskError('invalid', `a journal cannot have ${bytes} bytes`, {
      detail: { size: bytes },
      hint: 'give a multiple of 4096, from 68 KiB to 64 MiB',
    });
  }
  createSparse(path, bytes);
}

/**
 * Reads a journal, of a zone that still runs too. `from` leaves out records that begin before that position. Whatever
 * the guest has written is a report; only a file that cannot be read is an error.
 */
export function readJournal(path: string, options: { readonly from?: number } = {}): JournalReport {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const size = Math.min(fstatSync(fd).size, mostJournal);
    const header = readRange(fd, 0, headerSize);
    const ring = readRange(fd, headerSize, Math.max(0, size - headerSize));
    // The guest may have gone on while we read: what it has given up by now may be overwritten.
    const kept = readPosition(readRange(fd, 0, headerSize), 48);
    return parseJournal(header, ring, { from: options.from ?? 0, kept: kept ?? 0 });
  } catch (error) {
    throw wrapErrno(error, `cannot read the journal ${path}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function parseJournal(
  header: Buffer,
  ring: Buffer,
  range: { readonly from: number; readonly kept: number },
): JournalReport {
  const blank: JournalReport = { state: 'empty', flags: 0, records: [], begin: 0, end: 0 };
  if (header.length < headerSize) return { ...blank, damage: 'it is cut off' };
  if (header.every(byte => byte === 0)) return blank;
  if (header.toString('latin1', 0, 8) !== 'SHALEJNL')
    return { ...blank, damage: 'it does not begin as a journal' };
  const version = header.readUInt32LE(8);
  if (version !== 1) return { ...blank, damage: `it is of version ${version}` };
  const states: readonly JournalState[] = ['empty', 'started', 'ended', 'failed'];
  const number = header.readUInt32LE(12);
  const state = states[number];
  const started = header.readBigUInt64LE(16);
  const ended = header.readBigUInt64LE(24);
  const over = state === 'ended' || state === 'failed';
  const signal = header.readUInt32LE(36);
  const failure = state === 'failed' ? readReason(header) : undefined;
  const { damage, ...rest } = readRing(header, ring, range);
  const problem = state === undefined ? `it is in state ${number}` : damage;
  return {
    state: state ?? 'started',
    ...(started !== 0n && { started: readTime(started) }),
    ...(over && ended !== 0n && { ended: readTime(ended) }),
    ...(state === 'ended' && (signal === 0 ? { status: header.readUInt32LE(32) } : { signal })),
    flags: header.readUInt32LE(40),
    ...(failure !== undefined && { failure }),
    ...rest,
    ...(problem !== undefined && { damage: problem }),
  };
}

interface Ring {
  readonly records: readonly JournalRecord[];
  readonly begin: number;
  readonly end: number;
  readonly damage?: string;
}

function readRing(
  header: Buffer,
  ring: Buffer,
  { from, kept }: { readonly from: number; readonly kept: number },
): Ring {
  const oldest = readPosition(header, 48);
  const end = readPosition(header, 56);
  const records: JournalRecord[] = [];
  if (oldest === undefined || end === undefined || end < oldest || end - oldest > ring.length) {
    return { records, begin: 0, end: 0, damage: 'its records end before they begin' };
  }
  const begin = Math.min(Math.max(oldest, kept), end);
  const cut = (at: number) => ({ records, begin, end, damage: `its record at ${at} is none` });
  for (let at = begin; at < end; ) {
    if (end - at < recordHeader) return cut(at);
    const head = readWrapped(ring, at, recordHeader);
    const length = head.readUInt32LE(8);
    const next = at + recordHeader + length;
    const stream = head[12]!;
    if (length > mostRecord || next > end || stream < 1 || stream > 2) return cut(at);
    if (at >= from) {
      const bytes = readWrapped(ring, at + recordHeader, length);
      const time = readTime(head.readBigUInt64LE(0));
      records.push({ time, stream: stream === 1 ? 'stdout' : 'stderr', bytes, next });
    }
    at = next;
  }
  return { records, begin, end };
}

/** A copy of `length` bytes from a position in the ring. */
function readWrapped(ring: Buffer, position: number, length: number): Buffer {
  const start = position % ring.length;
  const first = Math.min(length, ring.length - start);
  return Buffer.concat([ring.subarray(start, start + first), ring.subarray(0, length - first)]);
}

/** The fields of FAIL; what is not whole is left out. */
function readReason(header: Buffer): JournalReport['failure'] {
  const reason = header.subarray(68, 68 + Math.min(header.readUInt32LE(64), 1024));
  let [what, errno, text] = ['unknown', 0, ''];
  for (let at = 0; at + 5 <= reason.length; ) {
    const length = reason.readUInt32LE(at + 1);
    const value = reason.subarray(at + 5, at + 5 + length);
    if (value.length < length) break;
    if (reason[at] === 1) what = value.toString('utf8');
    if (reason[at] === 2 && length === 8) errno = Number(value.readBigUInt64LE() % 65_536n);
    if (reason[at] === 3) text = value.toString('utf8');
    at += 5 + length;
  }
  return { what, errno, text };
}

function readPosition(header: Buffer, at: number): number | undefined {
  if (header.length < at + 8) return undefined;
  const position = header.readBigUInt64LE(at);
  return position > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(position);
}

/** From nanoseconds since 1970; every u64 is a time that a Date can hold. */
function readTime(nanoseconds: bigint): Date {
  return new Date(Number(nanoseconds / 1_000_000n));
}

function readRange(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}
