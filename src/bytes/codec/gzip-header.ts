import { crc32 } from 'node:zlib';
import { CodecError, corrupt } from './error.ts';

const hasHeaderCrc = 2;
const hasExtra = 4;
const hasName = 8;
const hasComment = 16;

/**
 * A gzip member's header (RFC 1952, 2.3), read wherever the input is cut. Nothing in it is of use to
 * Shale; it is only checked and stepped over.
 */
export class GzipHeader {
  /** Bytes of the header so far. */
  length = 0;
  #flags = 0;
  #extra = -1;
  #stage: 'fixed' | 'extra-length' | 'extra' | 'name' | 'comment' | 'crc' | 'done' = 'fixed';
  #count = 0;
  #word = 0;
  #crc = 0;

  reset(): void {
    this.length = 0;
    this.#stage = 'fixed';
    this.#count = 0;
    this.#crc = 0;
  }

  /** Reads from `offset` on and returns the offset behind what belongs to the header; see `done`. */
  read(input: Uint8Array, offset: number): number {
    const start = offset;
    while (offset < input.length && this.#stage !== 'crc' && this.#stage !== 'done')
      this.#take(input[offset++]!);
    this.#crc = crc32(input.subarray(start, offset), this.#crc);
    while (offset < input.length && this.#stage === 'crc') this.#takeCrc(input[offset++]!);
    this.length += offset - start;
    return offset;
  }

  get done(): boolean {
    return this.#stage === 'done';
  }

  #take(byte: number): void {
    if (this.#stage === 'fixed') this.#fixed(byte);
    else if (this.#stage === 'extra-length') {
      this.#extra = this.#count === 0 ? byte : this.#extra + byte * 256;
      if (++this.#count === 2) this.#advance(this.#extra === 0 ? 'name' : 'extra');
    } else if (this.#stage === 'extra') {
      if (--this.#extra === 0) this.#advance('name');
    } else if (byte === 0) this.#advance(this.#stage === 'name' ? 'comment' : 'crc');
  }

  #takeCrc(byte: number): void {
    this.#word += byte * (this.#count === 0 ? 1 : 256);
    if (++this.#count < 2) return;
    if (this.#word !== this.#crc % 0x10000) throw corrupt('gzip: the header fails its checksum');
    this.#stage = 'done';
  }

  #fixed(byte: number): void {
    const at = this.#count++;
    if ((at === 0 && byte !== 0x1f) || (at === 1 && byte !== 0x8b)) throw corrupt('gzip: not a gzip member');
    if (at === 2 && byte !== 8) throw new CodecError('unsupported', `gzip: compression method ${byte}`);
    if (at === 3) {
      if (byte >= 0x20) throw corrupt('gzip: reserved flags are set');
      this.#flags = byte;
    }
    if (at === 9) this.#advance('extra-length');
  }

  /** Goes to `stage`, or past it when the flags say that it is absent. */
  #advance(stage: 'extra-length' | 'extra' | 'name' | 'comment' | 'crc'): void {
    this.#count = 0;
    this.#word = 0;
    if (stage === 'extra-length' && (this.#flags & hasExtra) === 0) stage = 'name';
    if (stage === 'name' && (this.#flags & hasName) === 0) stage = 'comment';
    if (stage === 'comment' && (this.#flags & hasComment) === 0) stage = 'crc';
    this.#stage = stage === 'crc' && (this.#flags & hasHeaderCrc) === 0 ? 'done' : stage;
  }
}
