import { constants, deflateSync, inflateSync } from 'node:zlib';
import { CodecError, corrupt } from './error.ts';
import { storeSmaller } from './scratch.ts';
import type { BlockCompressor, BlockDecompressor } from './types.ts';
import { hasZlibHandle, ZlibHandle } from './zlib-handle.ts';

/** squashfs calls it gzip; a block is a zlib stream (RFC 1950). */
export class ZlibBlockCompressor implements BlockCompressor {
  readonly #level: number;
  readonly #handle: ZlibHandle | undefined;
  #scratch = new Uint8Array(0);

  constructor(level: number) {
    this.#level = level;
    this.#handle = hasZlibHandle() ? new ZlibHandle('deflate', level) : undefined;
  }

  compress(input: Uint8Array, output: Uint8Array): number {
    const handle = this.#handle;
    if (handle === undefined) {
      return storeSmaller(deflateSync(input, { level: this.#level }), input.length, output);
    }
    // What does not fit into the block's own size is of no use: no more room than that is ever needed.
    const room = input.length;
    if (room === 0) return 0;
    const direct = output.length >= room;
    if (!direct && this.#scratch.length < room) this.#scratch = new Uint8Array(room);
    const target = direct ? output : this.#scratch;
    handle.reset();
    handle.write(constants.Z_FINISH, input, 0, input.length, target, 0, room);
    const size = handle.produced;
    // Out of room is "unexpected end of file" to Node only when room is left; so a full output means: not smaller.
    if (handle.failure !== undefined) throw new CodecError('internal', `deflate: ${handle.failure.message}`);
    if (size >= room) return 0;
    return direct ? size : storeSmaller(target.subarray(0, size), input.length, output);
  }

  close(): void {
    this.#handle?.close();
  }
}

export class ZlibBlockDecompressor implements BlockDecompressor {
  readonly #handle = hasZlibHandle() ? new ZlibHandle('inflate') : undefined;
  readonly #spare = new Uint8Array(1);

  decompress(input: Uint8Array, output: Uint8Array): number {
    const handle = this.#handle;
    if (handle === undefined) return this.#slow(input, output);
    handle.reset();
    let taken = 0;
    let size = 0;
    if (output.length > 0) {
      // Without Z_FINISH, under which Node would report a full output and a cut input alike.
      taken = this.#step(input, 0, output);
      size = handle.produced;
    }
    if (size === output.length) {
      taken += this.#step(input, taken, this.#spare);
      if (handle.produced > 0) throw corrupt(`deflate: the block is longer than ${output.length} bytes`);
    }
    if (taken < input.length) throw corrupt('deflate: bytes after the end of the block');
    // Only a stream that has ended takes "finish" without an error now.
    handle.write(constants.Z_FINISH, input, 0, 0, this.#spare, 0, 1);
    if (handle.failure !== undefined) throw corrupt('deflate: the block is cut');
    return size;
  }

  #step(input: Uint8Array, offset: number, output: Uint8Array): number {
    const handle = this.#handle!;
    handle.write(constants.Z_NO_FLUSH, input, offset, input.length - offset, output, 0, output.length);
    if (handle.failure !== undefined) throw corrupt(`deflate: ${handle.failure.message}`);
    return handle.consumed;
  }

  #slow(input: Uint8Array, output: Uint8Array): number {
    try {
      const result = inflateSync(input, { maxOutputLength: Math.max(1, output.length) });
      output.set(result);
      return result.length;
    } catch (cause) {
      throw corrupt(`deflate: ${(cause as Error).message}`, { cause });
    }
  }

  close(): void {
    this.#handle?.close();
  }
}
