/**
 * Archives made by hand, block by block, for what no tar would write; and what a parser makes of an archive, as a value.
 * Knows the format from POSIX alone: nothing here comes from src/tar but the parser under test.
 */
import assert from 'node:assert/strict';
import { type TarData, type TarEntry, TarError, type TarLimits, TarParser } from '../../src/tar/index.ts';

/** What a test says of a header; numbers are written as octal, strings and buffers as they are. */
export interface HeaderFields {
  name?: string;
  flag?: string;
  size?: number | string | Buffer;
  mode?: number | string | Buffer;
  uid?: number | string | Buffer;
  gid?: number | string | Buffer;
  mtime?: number | string | Buffer;
  linkname?: string;
  /** Magic and version together, 8 bytes. */
  magic?: string;
  devmajor?: number | string | Buffer;
  devminor?: number | string | Buffer;
  prefix?: string;
  /** Other bytes by offset, laid over the fields. */
  raw?: Readonly<Record<number, string | Buffer>>;
  checksum?: (unsigned: number, signed: number) => string;
}

export const ustarMagic = 'ustar\x0000';
export const gnuMagic = 'ustar  \0';

export function block(fields: HeaderFields): Buffer {
  const bytes = Buffer.alloc(512);
  const put = (at: number, length: number, value: number | string | Buffer): void => {
    if (typeof value === 'number') value = `${value.toString(8).padStart(length - 1, '0')}\0`;
    const encoded = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    assert.ok(encoded.length <= length, `a test's field of ${encoded.length} bytes, ${length} at most`);
    encoded.copy(bytes, at);
  };
  put(0, 100, fields.name ?? 'file');
  put(100, 8, fields.mode ?? 0o644);
  put(108, 8, fields.uid ?? 0);
  put(116, 8, fields.gid ?? 0);
  put(124, 12, fields.size ?? 0);
  put(136, 12, fields.mtime ?? 0);
  put(156, 1, fields.flag ?? '0');
  put(157, 100, fields.linkname ?? '');
  put(257, 8, fields.magic ?? ustarMagic);
  put(329, 8, fields.devmajor ?? '');
  put(337, 8, fields.devminor ?? '');
  put(345, 155, fields.prefix ?? '');
  for (const [at, value] of Object.entries(fields.raw ?? {})) put(Number(at), 512 - Number(at), value);
  bytes.fill(' ', 148, 156);
  const unsigned = bytes.reduce((sum, byte) => sum + byte, 0);
  const signed = bytes.reduce((sum, byte) => sum + (byte > 127 ? byte - 256 : byte), 0);
  put(148, 8, fields.checksum?.(unsigned, signed) ?? `${unsigned.toString(8).padStart(6, '0')}\0 `);
  return bytes;
}

/** Fills up to whole blocks. */
export function padded(data: string | Buffer): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A header and its data; the size is the data's unless said otherwise. */
export function entry(fields: HeaderFields, data: string | Buffer = ''): Buffer {
  return Buffer.concat([block({ size: data.length, ...fields }), padded(data)]);
}

export type PaxRecord = readonly [keyword: string, value: string | Buffer];

export function record([keyword, value]: PaxRecord): Buffer {
  const text = Buffer.isBuffer(value) ? value : Buffer.from(value, 'latin1');
  const rest = Buffer.concat([Buffer.from(` ${keyword}=`, 'latin1'), text, Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export function pax(records: readonly PaxRecord[], flag = 'x'): Buffer {
  return entry({ name: 'pax', flag }, Buffer.concat(records.map(record)));
}

export const end = Buffer.alloc(1024);

export function archive(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, end]);
}

/** Big endian two's complement behind GNU's mark. */
export function base256(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const modulus = 1n << BigInt(8 * length);
  let rest = value < 0n ? value + modulus : value;
  for (let at = length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest % 256n);
    rest /= 256n;
  }
  bytes[0] = value < 0n ? 0xff : 0x80;
  return bytes;
}

/** A hole is a number, data is bytes; neighbours of a kind are joined. */
export type Run = number | Buffer;

export interface Listed {
  readonly entry: TarEntry;
  readonly data: TarData;
  readonly runs: readonly Run[];
}

export interface Parsed {
  readonly entries: readonly Listed[];
  readonly terminated: boolean;
}

/** Feeds a parser in chunks of `size` bytes and holds it to its handler's contract. */
export function parse(bytes: Buffer, size: number, limits?: Partial<TarLimits>): Parsed {
  type Reading = Listed & { readonly runs: Run[] };
  const entries: Reading[] = [];
  let current: Reading | undefined;
  let position = 0;
  const parser = new TarParser(
    {
      entry(entry, data) {
        assert.equal(current, undefined, 'an entry within another');
        current = { entry, data, runs: [] };
        position = 0;
      },
      data(chunk) {
        assert.ok(current?.entry.type === 'file' && chunk.length > 0, 'data belongs to a file');
        position += chunk.length;
        const last = current.runs.at(-1);
        // Copied: the view dies with the call.
        if (Buffer.isBuffer(last)) current.runs[current.runs.length - 1] = Buffer.concat([last, chunk]);
        else current.runs.push(Buffer.from(chunk));
      },
      hole(length) {
        assert.ok(current?.entry.type === 'file' && length > 0, 'a hole belongs to a file');
        position += length;
        current.runs.push(length);
      },
      end() {
        assert.ok(current !== undefined);
        assert.equal(position, current.entry.size, 'all of the content was given');
        if (current.entry.type === 'file') assert.deepEqual(runsAt(bytes, current), current.runs);
        entries.push(current);
        current = undefined;
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += size) parser.write(Buffer.from(bytes.subarray(at, at + size)));
  const { terminated } = parser.finish();
  assert.equal(parser.offset, bytes.length);
  assert.equal(current, undefined, 'the last entry has ended');
  return { entries, terminated };
}

/** A file's runs as they are where the parser says that its data lies. */
function runsAt(bytes: Buffer, { entry, data }: Listed): Run[] {
  assert.equal(data.offset % 512, 0);
  const runs: Run[] = [];
  let from = data.offset;
  let end = 0;
  for (const { offset, length } of data.segments ?? [{ offset: 0, length: entry.size }]) {
    const stored = bytes.subarray(from, from + length);
    const last = runs.at(-1);
    if (offset > end) runs.push(offset - end, stored);
    else if (Buffer.isBuffer(last)) runs[runs.length - 1] = Buffer.concat([last, stored]);
    else if (length > 0) runs.push(stored);
    from += length;
    end = offset + length;
  }
  if (entry.size > end) runs.push(entry.size - end);
  return runs;
}

export const chunkSizes = [1, 7, 511, 512, 513, 4096] as const;

/** Parses whole and re-chunked, and insists that it makes no difference, neither to the result nor to the error. */
export function parseAll(bytes: Buffer, limits?: Partial<TarLimits>): Parsed {
  const outcome = (size: number): unknown => {
    try {
      return parse(bytes, size, limits);
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      const { code, message, detail, hint } = error;
      return { code, message, detail, hint };
    }
  };
  const whole = outcome(Math.max(1, bytes.length));
  for (const size of chunkSizes) assert.deepEqual(outcome(size), whole, `in chunks of ${size}`);
  return parse(bytes, Math.max(1, bytes.length), limits);
}

/** The only entry of an archive of one. */
export function parseOne(...parts: readonly Buffer[]): Listed {
  const { entries } = parseAll(archive(...parts));
  assert.equal(entries.length, 1);
  return entries[0]!;
}

/** The file's bytes, holes as zeros. */
export function content({ runs }: Listed): Buffer {
  return Buffer.concat(runs.map(run => (Buffer.isBuffer(run) ? run : Buffer.alloc(run))));
}

/** The error of an archive that must be refused, the same in all chunkings. */
export function failure(bytes: Buffer, limits?: Partial<TarLimits>): TarError {
  try {
    parseAll(bytes, limits);
  } catch (error) {
    if (error instanceof TarError) return error;
    throw error;
  }
  assert.fail('the archive was accepted');
}
