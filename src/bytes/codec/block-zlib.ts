import { constants, deflateRawSync, deflateSync, inflateRawSync, inflateSync } from 'node:zlib';
import { CodecError, corrupt } from './error.ts';
import { storeSmaller } from './scratch.ts';
import type { BlockCompressor, BlockDecompressor } from './types.ts';
import { hasZlibHandle, ZlibHandle } from './zlib-handle.ts';

export interface BlockOptions {
  /** Whether to use zlib's handle; otherwise only what Node documents, with the same bytes. Default: where it works. */
  readonly handle?: boolean;
}

export interface ZlibBlockOptions extends BlockOptions {
  /** Deflate as it is (RFC 1951), without the frame that makes it a zlib stream (RFC 1950). Default: with it. */
  readonly raw?: boolean;
}

/**
 * squashfs calls it gzip, with the frame; EROFS calls it deflate, without. Each block has a context of its own, which costs a
 * hundredth of the time: zlib as Node has it looks at bytes behind the input, and after `reset` these are of the block
 * before, so that a kept context's output would depend on what a thread happened to do earlier.
 */
export class ZlibBlockCompressor implements BlockCompressor {
  readonly #level: number;
  readonly #useHandle: boolean;
  readonly #raw: boolean;
  #scratch = new Uint8Array(0);

  constructor(level: number, options: ZlibBlockOptions = {}) {
    this.#level = level;
    this.#useHandle = options.handle ?? hasZlibHandle();
    this.#raw = options.raw ?? false;
  }

  compress(input: Uint8Array, output: Uint8Array): number {
    // What does not fit into the block's own size is of no use: no more room than that is ever needed.
    const room = input.length;
    if (room === 0) return 0;
    if (!this.#useHandle) return storeSmaller(this.#slow(input), room, output);
    const direct = output.length >= room;
    if (!direct && this.#scratch.length < room) this.#scratch = new Uint8Array(room);
    const target = direct ? output : this.#scratch;
    const handle = new ZlibHandle(this.#raw ? 'deflate-raw' : 'deflate', this.#level);
    handle.write(constants.Z_FINISH, input, 0, room, target, 0, room);
    const { failure, produced } = handle;
    handle.close();
    if (failure !== undefined) throw new CodecError('internal', `deflate: ${failure.message}`);
    // A full output: the block would not become smaller.
    if (produced >= room) return 0;
    return direct ? produced : storeSmaller(target.subarray(0, produced), room, output);
  }

  #slow(input: Uint8Array): Uint8Array {
    return (this.#raw ? deflateRawSync : deflateSync)(input, { level: this.#level });
  }

  close(): void {}
}

export class ZlibBlockDecompressor implements BlockDecompressor {
  readonly #handle: ZlibHandle | undefined;
  readonly #spare = new Uint8Array(1);
  readonly #raw: boolean;

  constructor(options: ZlibBlockOptions = {}) {
    this.#raw = options.raw ?? false;
    const kind = this.#raw ? 'inflate-raw' : 'inflate';
    this.#handle = (options.handle ?? hasZlibHandle()) ? new ZlibHandle(kind) : undefined;
  }

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
    let result: { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
    try {
      const options = { maxOutputLength: Math.max(1, output.length), info: true };
      result = (this.#raw ? inflateRawSync : inflateSync)(input, options) as unknown as typeof result;
    } catch (cause) {
      throw corrupt(`deflate: ${(cause as Error).message}`, { cause });
    }
    if (result.engine.bytesWritten < input.length) throw corrupt('deflate: bytes after the end of the block');
    if (result.buffer.length > output.length) {
      throw corrupt(`deflate: the block is longer than ${output.length} bytes`);
    }
    output.set(result.buffer);
    return result.buffer.length;
  }

  close(): void {
    this.#handle?.close();
  }
}
