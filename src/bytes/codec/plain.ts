import { nothing } from './padding.ts';
import type { Decompressor } from './types.ts';

/** No compression: bytes pass as they are. */
export class PlainDecompressor implements Decompressor {
  #input = nothing;
  #offset = 0;

  push(input: Uint8Array): void {
    this.#input = input;
    this.#offset = 0;
  }

  read(output: Uint8Array): number {
    const size = Math.min(this.#input.length - this.#offset, output.length);
    output.set(this.#input.subarray(this.#offset, this.#offset + size));
    this.#offset += size;
    return size;
  }

  finish(): void {}

  close(): void {
    this.#input = nothing;
  }
}
