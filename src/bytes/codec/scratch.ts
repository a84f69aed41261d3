/** Puts a compressed block into `output` when that saves anything; 0 when it does not, or when there is no room. */
export function storeSmaller(packed: Uint8Array, inputLength: number, output: Uint8Array): number {
  if (packed.length >= inputLength || packed.length > output.length) return 0;
  output.set(packed);
  return packed.length;
}
