import { crc32 } from 'node:zlib';
import type { LayerEntry, LayerIndex } from './entry.ts';
import { EntryReader } from './entry-reader.ts';
import { EntryWriter } from './entry-writer.ts';
import { LayerError } from './error.ts';

/**
 * Entries as bytes, to cross a thread: a count, then the records of `record.ts`. The result owns its buffer, so it can
 * be transferred. Linear; some 20 to 40 bytes an entry.
 */
export function encodeEntries(entries: readonly LayerEntry[]): Uint8Array<ArrayBuffer> {
  const writer = new EntryWriter();
  writer.number(entries.length);
  for (const entry of entries) writer.entry(entry);
  return writer.finish();
}

/** The inverse of `encodeEntries`. Other bytes: LayerError `corrupt`. */
export function decodeEntries(bytes: Uint8Array): LayerEntry[] {
  const reader = new EntryReader(bytes);
  const count = reader.number();
  const entries: LayerEntry[] = [];
  while (entries.length < count) entries.push(reader.entry());
  reader.finish();
  return entries;
}

/** `SHLX`, then the version, as four bytes; then the CRC-32 of the rest, little-endian; then the entries. */
const magic = 0x53484c58;
const headerBytes = 12;

/** The version of a stored index. A cache keys its indexes by it: another version's are computed anew. */
export const indexVersion = 2;

export function encodeIndex(index: LayerIndex): Uint8Array<ArrayBuffer> {
  const entries = encodeEntries(index.entries);
  const bytes = new Uint8Array(headerBytes + entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint32(4, indexVersion);
  view.setUint32(8, crc32(entries), true);
  bytes.set(entries, headerBytes);
  return bytes;
}

/** The inverse of `encodeIndex`. Another version: LayerError `unsupported`; other bytes: `corrupt`. */
export function decodeIndex(bytes: Uint8Array): LayerIndex {
  const corrupt = (why: string) =>
    new LayerError('corrupt', `stored layer index: ${why}`, { detail: { why } });
  if (bytes.length < headerBytes) throw corrupt('shorter than its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== magic) throw corrupt('does not begin as one');
  const version = view.getUint32(4);
  if (version !== indexVersion) {
    throw new LayerError('unsupported', `stored layer index: version ${version}, not ${indexVersion}`, {
      detail: { version, expected: indexVersion },
    });
  }
  const body = bytes.subarray(headerBytes);
  if (crc32(body) !== view.getUint32(8, true)) throw corrupt('its checksum differs');
  return { entries: decodeEntries(body) };
}
