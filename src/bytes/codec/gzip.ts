import { corrupt } from './error.ts';
import { GzipHeader } from './gzip-header.ts';
import { createInflater, type Inflater } from './inflater.ts';
import { checkPadding, nothing } from './padding.ts';
import type { Decompressor } from './types.ts';

const trailerSize = 8;

/**
 * gzip (RFC 1952): any number of members, each with its CRC-32 and size verified. The members' frames are read here,
 * so that what is accepted does not depend on the library that inflates.
 */
export class GzipDecompressor implements Decompressor {
  readonly #inflater: Inflater;
  readonly #header = new GzipHeader();
  readonly #trailer = new DataView(new ArrayBuffer(trailerSize));
  #trailerLength = 0;
  #input = nothing;
  #offset = 0;
  #members = 0;
  /** The member's length modulo 2^32, as the trailer counts it. */
  #size = 0;
  #stage: 'header' | 'data' | 'trailer' | 'padding' = 'header';
  /** The inflater may hold more output than the last `read` had room for. */
  #more = false;

  constructor(inflater: Inflater = createInflater()) {
    this.#inflater = inflater;
  }

  push(input: Uint8Array): void {
    this.#input = input;
    this.#offset = 0;
  }

  read(output: Uint8Array): number {
    for (;;) {
      if (this.#stage === 'data') {
        if (this.#offset === this.#input.length && !this.#more) return 0;
        const produced = this.#inflate(output);
        if (produced > 0) return produced;
        continue;
      }
      if (this.#offset === this.#input.length) {
        this.#input = nothing;
        this.#offset = 0;
        return 0;
      }
      if (this.#stage === 'header') this.#readHeader();
      else if (this.#stage === 'trailer') this.#readTrailer();
      else {
        checkPadding('gzip', this.#input, this.#offset);
        this.#offset = this.#input.length;
      }
    }
  }

  #readHeader(): void {
    const header = this.#header;
    if (this.#members > 0 && header.length === 0 && this.#input[this.#offset] === 0) {
      this.#stage = 'padding';
      return;
    }
    this.#offset = header.read(this.#input, this.#offset);
    if (header.done) this.#stage = 'data';
  }

  #inflate(output: Uint8Array): number {
    const inflater = this.#inflater;
    const left = this.#input.length - this.#offset;
    inflater.inflate(this.#input, this.#offset, left, output, 0, output.length);
    this.#offset += inflater.consumed;
    this.#size = (this.#size + inflater.produced) % 0x100000000;
    this.#more = inflater.produced === output.length;
    if (inflater.consumed + inflater.produced === 0 && left > 0 && !inflater.ended) {
      throw corrupt('gzip: the stream does not go on');
    }
    if (inflater.ended) {
      this.#stage = 'trailer';
      this.#more = false;
      this.#trailerLength = 0;
      if (inflater.verifies) this.#endMember();
    }
    return inflater.produced;
  }

  #readTrailer(): void {
    this.#trailer.setUint8(this.#trailerLength++, this.#input[this.#offset++]!);
    if (this.#trailerLength < trailerSize) return;
    const [crc, size] = [this.#trailer.getUint32(0, true), this.#trailer.getUint32(4, true)];
    if (crc !== this.#inflater.crc) throw corrupt('gzip: the data fails its checksum');
    if (size !== this.#size) throw corrupt('gzip: the data has another length than its member says');
    this.#endMember();
  }

  #endMember(): void {
    this.#members++;
    this.#size = 0;
    this.#inflater.reset();
    this.#header.reset();
    this.#stage = 'header';
  }

  finish(): void {
    const atEnd = this.#stage === 'header' && this.#header.length === 0 && this.#members > 0;
    if (!atEnd && this.#stage !== 'padding') throw corrupt('gzip: the stream is cut');
  }

  close(): void {
    this.#inflater.close();
    this.#input = nothing;
  }
}
