import { CodecError, corrupt } from './error.ts';
import { checkPadding, nothing } from './padding.ts';
import type { Decompressor } from './types.ts';
import { ZlibHandle } from './zlib-handle.ts';
import { ZstdFrames } from './zstd-frame.ts';

/** zstd (RFC 8878): any number of frames, with skippable ones between them; checksums are verified where there are any. */
export class ZstdDecompressor implements Decompressor {
  readonly #handle = new ZlibHandle('zstd-decompress');
  readonly #frames = new ZstdFrames();
  #input = nothing;
  #offset = 0;
  #end = 0;
  #more = false;
  /** Found while following the frames of this input; `push` itself does not throw. */
  #fault: unknown;

  push(input: Uint8Array): void {
    this.#input = input;
    this.#offset = 0;
    this.#end = 0;
    try {
      this.#end = this.#frames.follow(input);
      checkPadding('zstd', input, this.#end);
    } catch (fault) {
      this.#fault = fault;
    }
  }

  read(output: Uint8Array): number {
    if (this.#fault !== undefined) throw this.#fault;
    let stuck = 0;
    while (this.#offset < this.#end || this.#more) {
      const handle = this.#handle;
      handle.write(0, this.#input, this.#offset, this.#end - this.#offset, output, 0, output.length);
      if (handle.failure !== undefined) throw failure(handle.failure);
      this.#offset += handle.consumed;
      this.#more = handle.produced === output.length;
      if (handle.produced > 0) return handle.produced;
      // A call at a frame's very end may do nothing; two in a row would go on for ever.
      stuck = handle.consumed > 0 ? 0 : stuck + 1;
      if (stuck > 1) throw corrupt('zstd: the stream does not go on');
    }
    this.#input = nothing;
    this.#offset = 0;
    this.#end = 0;
    return 0;
  }

  finish(): void {
    if (!this.#frames.atBoundary || this.#frames.frames === 0) throw corrupt('zstd: the stream is cut');
  }

  close(): void {
    this.#handle.close();
    this.#input = nothing;
  }
}

export function failure({ code, message }: { readonly code: string; readonly message: string }): CodecError {
  if (code === 'ZSTD_error_memory_allocation') return new CodecError('exhausted', `zstd: ${message}`);
  return corrupt(`zstd: ${message}`, { detail: { code } });
}
