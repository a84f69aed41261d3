import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { BlockOptions } from './block-zlib.ts';
import { CodecError, corrupt } from './error.ts';
import { storeSmaller } from './scratch.ts';
import type { BlockCompressor, BlockDecompressor } from './types.ts';
import { hasZlibHandle, ZlibHandle } from './zlib-handle.ts';
import { failure } from './zstd.ts';
import { ZstdFrames } from './zstd-frame.ts';

/** ZSTD_COMPRESSBOUND. */
function bound(size: number): number {
  return size + Math.floor(size / 256) + 64 + Math.max(0, Math.floor((131072 - size) / 2048));
}

/**
 * One zstd frame a block. A context that is kept is half as fast again as a new one a block, and each `ZSTD_e_end`
 * leaves it ready for the next frame. As the whole block is there at once the library knows its size: the frame says it, and
 * its window is no larger than the block, which the kernel's squashfs asks for.
 */
export class ZstdBlockCompressor implements BlockCompressor {
  readonly #level: number;
  readonly #handle: ZlibHandle | undefined;
  #scratch = new Uint8Array(0);

  constructor(level: number, options: BlockOptions = {}) {
    this.#level = level;
    this.#handle = (options.handle ?? hasZlibHandle()) ? new ZlibHandle('zstd-compress', level) : undefined;
  }

  compress(input: Uint8Array, output: Uint8Array): number {
    const handle = this.#handle;
    if (handle === undefined) return storeSmaller(this.#slow(input), input.length, output);
    const room = bound(input.length);
    // With less room than this the library would flush in parts, and no longer write the size.
    const direct = output.length >= room;
    if (!direct && this.#scratch.length < room) this.#scratch = new Uint8Array(room);
    const target = direct ? output : this.#scratch;
    handle.write(constants.ZSTD_e_end, input, 0, input.length, target, 0, target.length);
    if (handle.failure !== undefined || handle.consumed !== input.length) {
      const message = handle.failure?.message ?? 'the block was not taken whole';
      throw new CodecError('internal', `zstd: ${message}`);
    }
    const size = handle.produced;
    if (size >= input.length) return 0;
    return direct ? size : storeSmaller(target.subarray(0, size), input.length, output);
  }

  #slow(input: Uint8Array): Uint8Array {
    return zstdCompressSync(input, { params: { [constants.ZSTD_c_compressionLevel]: this.#level } });
  }

  close(): void {
    this.#handle?.close();
  }
}

export class ZstdBlockDecompressor implements BlockDecompressor {
  #handle: ZlibHandle | undefined;
  readonly #spare = new Uint8Array(1);

  constructor(options: BlockOptions = {}) {
    this.#handle = (options.handle ?? hasZlibHandle()) ? new ZlibHandle('zstd-decompress') : undefined;
  }

  decompress(input: Uint8Array, output: Uint8Array): number {
    const frames = new ZstdFrames();
    if (frames.followOne(input, 0) !== input.length || frames.frames !== 1) {
      throw corrupt('zstd: the block is cut, or has bytes after its end');
    }
    const handle = this.#handle;
    if (handle === undefined) return this.#slow(input, output);
    try {
      return this.#run(handle, input, output);
    } catch (error) {
      // A failed context stays failed, whatever `reset` says.
      handle.close();
      this.#handle = new ZlibHandle('zstd-decompress');
      throw error;
    }
  }

  #run(handle: ZlibHandle, input: Uint8Array, output: Uint8Array): number {
    let taken = 0;
    let size = 0;
    for (;;) {
      const full = size === output.length;
      const [target, at] = full ? [this.#spare, 0] : [output, size];
      handle.write(
        constants.ZSTD_e_continue,
        input,
        taken,
        input.length - taken,
        target,
        at,
        target.length - at,
      );
      const { failure: refused, consumed, produced } = handle;
      if (refused !== undefined) throw failure(refused);
      if (full && produced > 0) throw corrupt(`zstd: the block is longer than ${output.length} bytes`);
      taken += consumed;
      size += produced;
      if (taken === input.length && (full || size < output.length)) return size;
      if (consumed + produced === 0) throw corrupt('zstd: the block does not go on');
    }
  }

  #slow(input: Uint8Array, output: Uint8Array): number {
    try {
      const result = zstdDecompressSync(input, { maxOutputLength: Math.max(1, output.length) });
      if (result.length <= output.length) {
        output.set(result);
        return result.length;
      }
    } catch (cause) {
      throw corrupt(`zstd: ${(cause as Error).message}`, { cause });
    }
    throw corrupt(`zstd: the block is longer than ${output.length} bytes`);
  }

  close(): void {
    this.#handle?.close();
  }
}
