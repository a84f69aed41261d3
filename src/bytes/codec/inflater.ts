import { crc32 } from 'node:zlib';
import { openIsalInflater } from '../native/isal.ts';
import { corrupt } from './error.ts';
import { PortableInflater } from './portable-inflater.ts';
import { hasZlibHandle, longestRange, ZlibHandle } from './zlib-handle.ts';

/** One raw deflate stream (RFC 1951) at a time; three implementations with the same bytes. */
export interface Inflater {
  /** Of the last `inflate`. */
  readonly consumed: number;
  readonly produced: number;
  /** The stream's final block was seen and all of its output is out; what follows in the input was not touched. */
  readonly ended: boolean;
  /** Whether it also reads the gzip trailer behind the deflate stream and verifies it; `ended` comes after that. */
  readonly verifies: boolean;
  /** CRC-32 of the output since `reset`, unless the inflater verifies it. */
  readonly crc: number;
  /** Goes on until input or output runs out, or the stream ends. Throws CodecError `corrupt`. */
  inflate(
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
  reset(): void;
  close(): void;
}

/** The fastest inflater there is; `native: false` leaves system libraries alone. */
export function createInflater(options: { readonly native?: boolean } = {}): Inflater {
  const native = options.native === false ? undefined : openIsalInflater();
  return native ?? (hasZlibHandle() ? new ZlibInflater() : new PortableInflater());
}

export class ZlibInflater implements Inflater {
  consumed = 0;
  produced = 0;
  ended = false;
  crc = 0;
  readonly verifies = false;
  readonly #handle = new ZlibHandle('inflate-raw');

  inflate(
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void {
    const handle = this.#handle;
    handle.write(0, input, inputOffset, inputLength, output, outputOffset, outputLength);
    if (handle.failure !== undefined) throw corrupt(`deflate: ${handle.failure.message}`);
    this.consumed = handle.consumed;
    this.produced = handle.produced;
    // zlib does not tell, but it only ever leaves both input and room behind when the stream has ended.
    this.ended = this.consumed < Math.min(inputLength, longestRange) && this.produced < outputLength;
    if (this.produced > 0) {
      this.crc = crc32(output.subarray(outputOffset, outputOffset + this.produced), this.crc);
    }
  }

  reset(): void {
    this.#handle.reset();
    this.ended = false;
    this.crc = 0;
  }

  close(): void {
    this.#handle.close();
  }
}
