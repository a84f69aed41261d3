import { Bzip2Decompressor } from './bzip2.ts';
import { detectCompression, detectionLength } from './detect.ts';
import { CodecError, corrupt } from './error.ts';
import { GzipDecompressor } from './gzip.ts';
import { createInflater } from './inflater.ts';
import { nothing } from './padding.ts';
import { PlainDecompressor } from './plain.ts';
import { PortableZstdDecompressor } from './portable-zstd.ts';
import type { Compression, Decompressor } from './types.ts';
import { XzDecompressor } from './xz.ts';
import { hasZlibHandle, longestRange } from './zlib-handle.ts';
import { ZstdDecompressor } from './zstd.ts';

export interface DecompressorOptions {
  /** What the stream must be; anything else is then `corrupt`. Left out: detected from the first bytes. */
  readonly expect?: Compression;
  /** Whether a system library may do the work where there is one (the bytes are the same). Default: true. */
  readonly native?: boolean;
}

export interface DetectingDecompressor extends Decompressor {
  /** What the stream is; `undefined` until enough of it was read to tell. */
  readonly compression: Compression | undefined;
}

/**
 * Decompresses whatever comes: the compression is detected from the first bytes, at most six of them, and an empty
 * stream is `none`. The native context is only made when it is known.
 */
export function createDecompressor(options: DecompressorOptions = {}): DetectingDecompressor {
  return new Detecting(options);
}

class Detecting implements DetectingDecompressor {
  compression: Compression | undefined;
  readonly #options: DecompressorOptions;
  /** The first bytes, until they are enough. */
  readonly #head = new Uint8Array(detectionLength);
  #held = 0;
  #inner: Decompressor | undefined;
  /** What comes after the head that is being read. */
  #rest = nothing;
  /** The first failure: the stream is of no use after it. */
  #failed: CodecError | undefined;
  #closed = false;

  constructor(options: DecompressorOptions) {
    this.#options = options;
    if (options.expect !== undefined) this.compression = options.expect;
  }

  push(input: Uint8Array): void {
    if (this.#closed) throw new CodecError('internal', 'the decompressor is closed');
    if (input.length === 0) return;
    if (this.#inner !== undefined) {
      this.#inner.push(input);
      return;
    }
    if (this.compression !== undefined || this.#held === 0) {
      this.compression ??= detectCompression(input.subarray(0, detectionLength));
      if (this.compression !== undefined) {
        this.#inner = this.#open(this.compression);
        this.#inner.push(input);
        return;
      }
    }
    let used = 0;
    while (this.compression === undefined && used < input.length) {
      this.#head[this.#held++] = input[used++]!;
      this.compression = detectCompression(this.#head.subarray(0, this.#held));
    }
    if (this.compression === undefined) return;
    this.#inner = this.#open(this.compression);
    this.#inner.push(this.#head.subarray(0, this.#held));
    this.#rest = input.subarray(used);
  }

  read(output: Uint8Array): number {
    if (this.#failed !== undefined) throw this.#failed;
    if (output.length === 0)
      throw new CodecError('invalid', 'decompression needs room for at least one byte');
    if (this.#inner === undefined) return 0;
    if (output.length > longestRange) output = output.subarray(0, longestRange);
    try {
      const produced = this.#inner.read(output);
      if (produced > 0 || this.#rest.length === 0) return produced;
      this.#inner.push(this.#rest);
      this.#rest = nothing;
      return this.#inner.read(output);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  finish(): void {
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#inner === undefined) {
      if (this.#held > 0) throw corrupt('the stream ends within the first bytes of a compressed one');
      if (this.compression !== undefined && this.compression !== 'none') {
        throw corrupt(`${this.compression}: the stream is empty`);
      }
      this.compression = 'none';
      return;
    }
    try {
      this.#inner.finish();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#inner?.close();
    this.#rest = nothing;
  }

  #fail(error: unknown): CodecError {
    this.#failed =
      error instanceof CodecError
        ? error
        : new CodecError('internal', `${this.compression}: decompression failed`, { cause: error });
    return this.#failed;
  }

  #open(compression: Compression): Decompressor {
    if (compression === 'gzip') return new GzipDecompressor(createInflater(this.#options));
    if (compression === 'zstd')
      return hasZlibHandle() ? new ZstdDecompressor() : new PortableZstdDecompressor();
    if (compression === 'xz') return new XzDecompressor();
    if (compression === 'bzip2') return new Bzip2Decompressor();
    return new PlainDecompressor();
  }
}
