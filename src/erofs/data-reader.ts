import type { ImageSource } from '../bytes/image-source.ts';
import { printable } from '../tree/index.ts';
import { type ChunkedData, type FileData, hole } from './data.ts';
import { ErofsError } from './error.ts';
import type { ChunkTable, StoredInline } from './inode-reader.ts';
import { chunkIndex, noBlock } from './layout.ts';
import { corrupt, type MetadataReader } from './metadata-reader.ts';
import type { DeviceSlot, StoredSuperblock } from './superblock-reader.ts';

/** Finds an extra device, the first of which is 1, when something of it is read; undefined when it is not there. */
export type OpenDevice = (slot: DeviceSlot, number: number) => ImageSource | undefined;

/** A run of a file's bytes on a device, 0 being the image itself; or zeros that are stored nowhere. */
export type Extent =
  | { readonly device: number; readonly position: number; readonly length: number }
  | { readonly device: undefined; readonly length: number };

/** What can be read without decompression. */
export type UncompressedData =
  | Exclude<FileData, { kind: 'compressed' | 'inline' }>
  | StoredInline
  | ChunkTable;

/** Bytes that are read at a time. */
const chunkLimit = 1024 * 1024;
/** Entries of a chunk table that are read at a time. */
const entriesAtOnce = 1024;

/** Reads the image's own data and that of its extra devices. */
export class DataReader {
  readonly #image: ImageSource;
  readonly #openDevice: OpenDevice;
  readonly #devices = new Map<number, ImageSource>();
  readonly #superblock: StoredSuperblock;
  readonly #metadata: MetadataReader;
  readonly #deviceMask: number;

  constructor(
    source: ImageSource,
    openDevice: OpenDevice,
    superblock: StoredSuperblock,
    metadata: MetadataReader,
  ) {
    this.#image = source;
    this.#openDevice = openDevice;
    this.#superblock = superblock;
    this.#metadata = metadata;
    // As kernels do: of a device's number only so many bits count as the devices need.
    this.#deviceMask = 2 ** Math.ceil(Math.log2(superblock.devices.length + 1));
  }

  /** Yields `size` bytes, at most 1 MiB at a time, each chunk in memory of its own. */
  *read(size: number, content: UncompressedData): Generator<Uint8Array, void, undefined> {
    for (const extent of this.extents(size, content)) {
      for (let done = 0; done < extent.length; done += chunkLimit) {
        const chunk = new Uint8Array(Math.min(chunkLimit, extent.length - done));
        if (extent.device !== undefined) this.readAt(extent.device, extent.position + done, chunk);
        yield chunk;
      }
    }
  }

  /** Fills `target` from a device; `corrupt` when it ends before, `not-found` when it is not there. */
  readAt(device: number, position: number, target: Uint8Array): void {
    const source = this.#source(device);
    if (position + target.length > source.size) {
      const which = device === 0 ? 'the image' : `device ${device}`;
      throw corrupt(
        'data',
        position,
        `${target.length} bytes are expected, but ${which} ends at ${source.size}`,
      );
    }
    source.readAt(position, target);
  }

  /** The same from a place where all devices lie one behind the other. */
  readMapped(position: number, target: Uint8Array): void {
    const extent = this.#locate(0, position, target.length);
    this.readAt(extent.device, extent.position, target);
  }

  /** Where a file's bytes lie, in the file's order; what is next to each other is one extent. */
  *extents(size: number, content: UncompressedData): Generator<Extent, void, undefined> {
    let last: Extent | undefined;
    for (const piece of this.#pieces(size, content)) {
      if (last === undefined) last = piece;
      else if (isNext(last, piece)) last = { ...last, length: last.length + piece.length };
      else {
        yield last;
        last = piece;
      }
    }
    if (last !== undefined) yield last;
  }

  *#pieces(size: number, content: UncompressedData): Generator<Extent, void, undefined> {
    if (size === 0) return;
    switch (content.kind) {
      case 'plain':
        yield this.#locate(0, content.start, size);
        return;
      case 'inline': {
        const length = size % this.#superblock.blockSize;
        if (size > length) yield this.#locate(0, content.start, size - length);
        if (length > 0) yield { device: 0, position: content.tail, length };
        return;
      }
      case 'chunked': {
        const { chunkBytes, starts, devices } = content;
        for (let chunk = 0, left = size; left > 0; chunk++, left -= chunkBytes) {
          yield this.#chunk(devices?.[chunk] ?? 0, starts[chunk]!, Math.min(left, chunkBytes));
        }
        return;
      }
      case 'chunk table': {
        let left = size;
        for (const { device, start } of this.#entries(size, content)) {
          yield this.#chunk(device, start, Math.min(left, content.chunkBytes));
          left -= content.chunkBytes;
        }
      }
    }
  }

  /** All places of a file's chunks. */
  chunks(size: number, table: ChunkTable): ChunkedData {
    const count = Math.ceil(size / table.chunkBytes);
    const starts = new Float64Array(count);
    const devices = new Uint16Array(count);
    let chunk = 0;
    let isElsewhere = false;
    for (const { device, start } of this.#entries(size, table)) {
      starts[chunk] = start;
      devices[chunk] = device;
      isElsewhere ||= device !== 0;
      chunk++;
    }
    return { kind: 'chunked', chunkBytes: table.chunkBytes, starts, ...(isElsewhere && { devices }) };
  }

  *#entries(
    size: number,
    { chunkBytes, position, hasDevices }: ChunkTable,
  ): Generator<{ readonly device: number; readonly start: number }, void, undefined> {
    const { blockSize } = this.#superblock;
    const unit = hasDevices ? chunkIndex.size : 4;
    const count = Math.ceil(size / chunkBytes);
    for (let first = 0; first < count; first += entriesAtOnce) {
      const bytes = this.#metadata.take(
        'chunk index',
        position + first * unit,
        Math.min(entriesAtOnce, count - first) * unit,
      );
      // A view of a cached page, which does not change.
      for (let at = 0; at < bytes.length; at += unit) {
        const block = bytes.readUInt32LE(hasDevices ? at + chunkIndex.offsets.block : at);
        const number = hasDevices ? bytes.readUInt16LE(at + chunkIndex.offsets.device) : 0;
        if (block === noBlock) yield { device: 0, start: hole };
        else yield { device: number % this.#deviceMask, start: block * blockSize };
      }
    }
  }

  #chunk(device: number, start: number, length: number): Extent {
    return start === hole ? { device: undefined, length } : this.#locate(device, start, length);
  }

  /** A place on the primary device may be one of another, which is mapped behind it. */
  #locate(device: number, position: number, length: number): Extract<Extent, { device: number }> {
    const { devices } = this.#superblock;
    if (device > devices.length) {
      throw corrupt('chunk index', position, `device ${device} of ${devices.length}`);
    }
    if (device === 0) {
      for (const [index, { mappedStart, bytes }] of devices.entries()) {
        if (mappedStart === 0 || position < mappedStart || position >= mappedStart + bytes) continue;
        return { device: index + 1, position: position - mappedStart, length };
      }
    }
    return { device, position, length };
  }

  #source(device: number): ImageSource {
    if (device === 0) return this.#image;
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const slot = this.#superblock.devices[device - 1]!;
    const opened = this.#openDevice(slot, device);
    if (opened === undefined) {
      const { tag } = slot;
      const named = tag === '' ? '' : `, which is tagged ${printable(tag)}`;
      throw new ErofsError('not-found', `the image needs its device ${device}${named}`, {
        detail: { device, tag },
        hint: 'the contents of files lie in another file, which the image was made over',
      });
    }
    this.#devices.set(device, opened);
    return opened;
  }
}

function isNext(a: Extent, b: Extent): boolean {
  if (a.device === undefined || b.device === undefined) return a.device === b.device;
  return a.device === b.device && a.position + a.length === b.position;
}
