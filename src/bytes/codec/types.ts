/** What a stream is compressed with. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

/**
 * A synchronous streaming decompressor; memory is bounded by the format's window, whatever the ratio.
 *
 *     decoder.push(input)                       // only when the last input was used up
 *     while ((n = decoder.read(output)) > 0) …  // fills output[0, n); 0: all input is used up
 *     decoder.finish()                          // no more input will come: throws if the stream is cut
 *
 * `input` must stay untouched until `read` has returned 0. `output` may be any view, also of a SharedArrayBuffer.
 * All members or frames of a stream are read. After the last one zero padding is accepted, other bytes are an error.
 * Errors are CodecErrors with code `corrupt` (or `unsupported`); never anything else, whatever the input.
 */
export interface Decompressor {
  push(input: Uint8Array): void;
  read(output: Uint8Array): number;
  finish(): void;
  /** Frees native memory; safe to call twice and at any point. */
  close(): void;
}

/**
 * Block codecs of squashfs and EROFS. `gzip` is what squashfs calls so, a zlib stream (RFC 1950); `deflate`, which EROFS has,
 * is the same without its frame (RFC 1951).
 */
export type BlockAlgorithm = 'gzip' | 'deflate' | 'xz' | 'lz4' | 'zstd';

/**
 * Compresses one whole block into `output` and returns the compressed length; 0 when the result would not be
 * smaller than the input (the block is then stored plain). Deterministic. Not re-entrant, keeps its context between calls.
 */
export interface BlockCompressor {
  compress(input: Uint8Array, output: Uint8Array): number;
  close(): void;
}

/** Decompresses one whole block and returns its length; more than `output` holds, or bad data: CodecError `corrupt`. */
export interface BlockDecompressor {
  decompress(input: Uint8Array, output: Uint8Array): number;
  close(): void;
}
