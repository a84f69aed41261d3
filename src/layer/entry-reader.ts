import { type ByteString, noXattrs, type Timestamp, type Xattrs } from '../tree/index.ts';
import type { LayerEntry, LayerFile } from './entry.ts';
import { LayerError } from './error.ts';
import {
  beforeEpoch,
  blockBytes,
  hasXattrs,
  kindMask,
  kinds,
  maximumShared,
  sameOwner,
  sameTime,
  storedBytes,
} from './record.ts';

/** Reads the records of `record.ts`. Any other bytes: LayerError `corrupt`, with the offset. */
export class EntryReader {
  readonly #bytes: Buffer;
  #at = 0;
  /** The previous path, as bytes: the next one overwrites its end. */
  #path = Buffer.allocUnsafe(8192);
  #pathLength = 0;
  #uid = 0;
  #gid = 0;
  #mtime: Timestamp = { seconds: 0, nanoseconds: 0 };
  #dataEnd = 0;
  readonly #sets: Xattrs[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  entry(): LayerEntry {
    const head = this.#byte();
    const type = kinds[head & kindMask];
    if (type === undefined) throw this.#corrupt('a record of an unknown kind');
    const path = this.#readPath();
    if (type === 'whiteout' || type === 'opaque') return { type, path };
    if (type === 'hardlink') return { type, path, target: this.#string() };
    const mode = this.#within(0o7777, 'mode');
    if ((head & sameOwner) === 0) {
      this.#uid = this.#within(0xffffffff, 'uid');
      this.#gid = this.#within(0xffffffff, 'gid');
    }
    if ((head & sameTime) === 0) {
      const seconds = this.number();
      const nanoseconds = this.#within(999_999_999, 'number of nanoseconds');
      this.#mtime = { seconds: (head & beforeEpoch) === 0 ? seconds : 0 - seconds, nanoseconds };
    }
    const uid = this.#uid;
    const gid = this.#gid;
    const mtime = this.#mtime;
    const xattrs = (head & hasXattrs) === 0 ? noXattrs : this.#xattrs();
    switch (type) {
      case 'file': {
        const size = this.number();
        const place = this.number();
        const segments = place > 0 && place % 2 === 0 ? this.#segments(size) : undefined;
        const offset = place === 0 ? undefined : this.#offset(Math.ceil(place / 2) - 1, size, segments);
        return { type, path, mode, uid, gid, mtime, xattrs, size, offset, segments };
      }
      case 'symlink':
        return { type, path, mode, uid, gid, mtime, xattrs, target: this.#string() };
      case 'block':
      case 'character': {
        const major = this.#within(0xffffffff, 'device number');
        const minor = this.#within(0xffffffff, 'device number');
        return { type, path, mode, uid, gid, mtime, xattrs, major, minor };
      }
      default:
        return { type, path, mode, uid, gid, mtime, xattrs };
    }
  }

  /** A whole number from 0 to 2^53-1. */
  number(): number {
    let byte = this.#byte();
    if (byte < 128) return byte;
    let value = byte - 128;
    let weight = 128;
    do {
      byte = this.#byte();
      value += (byte % 128) * weight;
      if (value > Number.MAX_SAFE_INTEGER) throw this.#corrupt('a number that is too large');
      weight *= 128;
    } while (byte >= 128);
    return value;
  }

  /** Says that nothing may follow. */
  finish(): void {
    if (this.#at !== this.#bytes.length) throw this.#corrupt('more bytes than its records take');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#corrupt('an end inside a record');
    this.#at += 1;
    return byte;
  }

  #within(most: number, what: string): number {
    const value = this.number();
    if (value > most) throw this.#corrupt(`a ${what} that is out of range`);
    return value;
  }

  /** The length of bytes that must be there; moves behind them. */
  #span(): number {
    const length = this.number();
    if (length > this.#bytes.length - this.#at) throw this.#corrupt('a string that is longer than the rest');
    this.#at += length;
    return length;
  }

  #string(): ByteString {
    const length = this.#span();
    return this.#bytes.toString('latin1', this.#at - length, this.#at);
  }

  #readPath(): ByteString {
    const shared = this.number();
    if (shared > this.#pathLength || shared > maximumShared)
      throw this.#corrupt('a path that shares too much');
    const rest = this.#span();
    const length = shared + rest;
    if (length > this.#path.length) this.#growPath(length);
    const from = this.#at - rest;
    const path = this.#path;
    if (rest > 64) this.#bytes.copy(path, shared, from, this.#at);
    else for (let index = 0; index < rest; index += 1) path[shared + index] = this.#bytes[from + index]!;
    this.#pathLength = length;
    return path.toString('latin1', 0, length);
  }

  /** `blocks` behind the data of the file before. */
  #offset(blocks: number, size: number, segments: LayerFile['segments']): number {
    const offset = this.#dataEnd + blocks * blockBytes;
    if (offset > Number.MAX_SAFE_INTEGER) throw this.#corrupt('data beyond any tar');
    this.#dataEnd = offset + Math.ceil(storedBytes(size, segments) / blockBytes) * blockBytes;
    return offset;
  }

  #segments(size: number): LayerFile['segments'] {
    const segments = [];
    let end = 0;
    for (let left = this.number(); left > 0; left -= 1) {
      const offset = end + this.number();
      const length = this.number();
      end = offset + length;
      if (length === 0 || end > size) throw this.#corrupt('a segment that is empty or beyond its file');
      segments.push({ offset, length });
    }
    return segments;
  }

  #growPath(length: number): void {
    const grown = Buffer.allocUnsafe(length * 2);
    grown.set(this.#path.subarray(0, this.#pathLength));
    this.#path = grown;
  }

  #xattrs(): Xattrs {
    const set = this.number();
    const known = this.#sets[set];
    if (known !== undefined) return known;
    if (set !== this.#sets.length) throw this.#corrupt('xattrs that did not come before');
    const count = this.number();
    const xattrs = new Map<ByteString, Uint8Array>();
    for (let index = 0; index < count; index += 1) {
      const name = this.#string();
      const length = this.#span();
      // A copy, so that the values do not keep the whole buffer alive.
      xattrs.set(name, new Uint8Array(this.#bytes.subarray(this.#at - length, this.#at)));
    }
    if (xattrs.size !== count || count === 0) throw this.#corrupt('xattrs of one name, or none');
    this.#sets.push(xattrs);
    return xattrs;
  }

  #corrupt(what: string): LayerError {
    return new LayerError('corrupt', `encoded layer entries: ${what}, at byte ${this.#at}`, {
      detail: { offset: this.#at },
    });
  }
}
