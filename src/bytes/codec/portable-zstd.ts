import { zstdDecompressSync } from 'node:zlib';
import { CodecError, corrupt } from './error.ts';
import { checkPadding, nothing } from './padding.ts';
import type { Decompressor } from './types.ts';
import { ZstdFrames } from './zstd-frame.ts';

/** The most that a stream may hold, compressed or not, where it has to be kept whole. */
const limit = 2 ** 30;

/**
 * zstd through Node's documented functions alone, for a Node whose zlib handle is not what this project knows: these
 * cannot continue a stream, so a frame is kept until it is complete. The same bytes, with more memory.
 */
export class PortableZstdDecompressor implements Decompressor {
  readonly #frames = new ZstdFrames();
  readonly #limit: number;
  #input = nothing;
  #at = 0;
  /** The current frame so far. */
  #kept: Uint8Array[] = [];
  #size = 0;
  #output = nothing;
  #offset = 0;

  constructor(options: { readonly limit?: number } = {}) {
    this.#limit = options.limit ?? limit;
  }

  push(input: Uint8Array): void {
    this.#input = input;
    this.#at = 0;
  }

  read(output: Uint8Array): number {
    while (this.#offset === this.#output.length) {
      if (this.#at === this.#input.length) return 0;
      this.#advance();
    }
    const size = Math.min(this.#output.length - this.#offset, output.length);
    output.set(this.#output.subarray(this.#offset, this.#offset + size));
    this.#offset += size;
    return size;
  }

  /** Takes input up to the end of a frame, whose content is then there. */
  #advance(): void {
    const frames = this.#frames;
    const done = frames.frames;
    const end = frames.followOne(this.#input, this.#at);
    if (end === this.#at) {
      checkPadding('zstd', this.#input, end);
      this.#at = this.#input.length;
      return;
    }
    this.#size += end - this.#at;
    if (this.#size > this.#limit) throw this.#tooLong();
    // A copy: a Buffer's own `slice` would not be one.
    this.#kept.push(new Uint8Array(this.#input.subarray(this.#at, end)));
    this.#at = end;
    if (frames.frames === done) return;
    const frame = Buffer.concat(this.#kept, this.#size);
    this.#kept = [];
    this.#size = 0;
    this.#offset = 0;
    this.#output = frames.skippable ? nothing : this.#decompress(frame);
  }

  #decompress(frame: Uint8Array): Uint8Array {
    try {
      return zstdDecompressSync(frame, { maxOutputLength: this.#limit });
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

  finish(): void {
    if (!this.#frames.atBoundary || this.#frames.frames === 0) throw corrupt('zstd: the stream is cut');
  }

  close(): void {
    this.#kept = [];
    this.#output = nothing;
  }
}
