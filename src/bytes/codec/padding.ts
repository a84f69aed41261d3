import { corrupt } from './error.ts';

/** What may follow the last member of a stream: zeros, as tape blocks and preallocated files leave them. */
export function checkPadding(format: string, input: Uint8Array, offset: number): void {
  for (let at = offset; at < input.length; at++) {
    if (input[at] !== 0)
      throw corrupt(`${format}: bytes after the end of the compressed stream that are not zeros`);
  }
}

/** What a decompressor holds when it has no input. */
export const nothing: Uint8Array = new Uint8Array(0);
