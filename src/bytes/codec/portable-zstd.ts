import { constants, zstdDecompressSync } from 'node:zlib';
import { CodecError, corrupt } from './error.ts';
import { checkPadding, nothing } from './padding.ts';
import type { Decompressor } from './types.ts';
import { ZstdFrames } from './zstd-frame.ts';

/** The most that a stream may hold, compressed or not, where it has to be kept whole. */
const limit = 2 ** 30;

/**
 * zstd through Node's documented functions alone, for a Node whose zlib handle is not what this project knows: these
 * cannot continue a stream, so a run of frames is kept until it is complete. The same bytes, with more memory.
 */
export class PortableZstdDecompressor implements Decompressor {
  readonly #frames = new ZstdFrames();
  readonly #limit: number;
  #kept: Uint8Array[] = [];
  #size = 0;
  #output = nothing;
  #offset = 0;
  #fault: unknown;

  constructor(options: { readonly limit?: number } = {}) {
    this.#limit = options.limit ?? limit;
  }

  push(input: Uint8Array): void {
    try {
      const end = this.#frames.follow(input);
      checkPadding('zstd', input, end);
      this.#size += end;
      if (this.#size > this.#limit) throw this.#tooLong();
      this.#kept.push(input.slice(0, end));
      if (this.#frames.atBoundary) this.#decompress();
    } catch (fault) {
      this.#fault = fault;
    }
  }

  #decompress(): void {
    const input = this.#kept.length === 1 ? this.#kept[0]! : Buffer.concat(this.#kept, this.#size);
    this.#kept = [];
    this.#size = 0;
    this.#offset = 0;
    this.#output = nothing;
    if (input.length === 0) return;
    try {
      this.#output = zstdDecompressSync(input, {
        maxOutputLength: this.#limit,
        finishFlush: constants.ZSTD_e_end,
      });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw this.#tooLong();
      throw corrupt(`zstd: ${(cause as Error).message}`, { cause });
    }
  }

  #tooLong(): CodecError {
    return new CodecError('exhausted', `zstd: a frame of more than ${this.#limit} bytes`, {
      detail: { limit: this.#limit },
      hint: 'use a version of Node whose zlib this project knows',
    });
  }

  read(output: Uint8Array): number {
    if (this.#fault !== undefined) throw this.#fault;
    const size = Math.min(this.#output.length - this.#offset, output.length);
    output.set(this.#output.subarray(this.#offset, this.#offset + size));
    this.#offset += size;
    return size;
  }

  finish(): void {
    if (!this.#frames.atBoundary || this.#frames.frames === 0) throw corrupt('zstd: the stream is cut');
  }

  close(): void {
    this.#kept = [];
    this.#output = nothing;
  }
}
