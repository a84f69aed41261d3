import { crc32 } from 'node:zlib';
import { type Extent, Extents } from '../content/index.ts';

const magic = 'SHALEIN1';
const bootBytes = 40;
const headerBytes = magic.length + bootBytes + 8 + 8;
const extentBytes = 16;

/** More than any sane set of parallel downloads leaves; of more, the largest are kept. */
const mostExtents = 250;

/** The file never grows: on a full disk, what was downloaded must still be recorded. */
export const stateBytes = headerBytes + mostExtents * extentBytes + 4;

export interface IngestState {
  /** Of the whole blob, in bytes. */
  readonly size: number;
  /** Which run of the kernel wrote it (`findBoot`). */
  readonly boot: string;
  readonly extents: Extents;
}

/**
 * What is written over the state file, in one write: magic, boot, size, count, extents, and a CRC-32 of all that. Numbers are
 * little-endian and 64 bits wide. The rest of the file is whatever was there.
 */
export function formatIngestState({ size, boot, extents }: IngestState): Buffer {
  const kept = largest(extents.list());
  const length = headerBytes + kept.length * extentBytes;
  const bytes = Buffer.alloc(length + 4);
  bytes.write(magic, 0, 'latin1');
  bytes.write(boot, magic.length, bootBytes, 'latin1');
  let position = magic.length + bootBytes;
  const put = (value: number) => {
    position = bytes.writeBigUInt64LE(BigInt(value), position);
  };
  put(size);
  put(kept.length);
  for (const { start, end } of kept) {
    put(start);
    put(end);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, length)), length);
  return bytes;
}

/**
 * The extents that count: none if the state is torn, of another blob's size, or of another boot, after which nobody
 * knows what has reached the disk. `available` is the length of the file that they are of.
 */
export function readIngestState(
  bytes: Uint8Array,
  size: number,
  boot: string | undefined,
  available: number,
): Extents {
  const extents = new Extents();
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length < headerBytes + 4 || view.toString('latin1', 0, magic.length) !== magic) return extents;
  const written = view.toString('latin1', magic.length, magic.length + bootBytes).replace(/\0+$/, '');
  const number = (position: number) => Number(view.readBigUInt64LE(position));
  const count = number(headerBytes - 8);
  if (boot === undefined || written !== boot || number(headerBytes - 16) !== size || count > mostExtents) {
    return extents;
  }
  const length = headerBytes + count * extentBytes;
  if (view.length < length + 4 || view.readUInt32LE(length) !== crc32(view.subarray(0, length)))
    return extents;
  for (let position = headerBytes; position < length; position += extentBytes) {
    const [start, end] = [number(position), number(position + 8)];
    if (end <= Math.min(size, available)) extents.add(start, end);
  }
  return extents;
}

function largest(extents: readonly Extent[]): readonly Extent[] {
  if (extents.length <= mostExtents) return extents;
  return [...extents].sort((a, b) => b.end - b.start - (a.end - a.start)).slice(0, mostExtents);
}
