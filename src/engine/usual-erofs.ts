import type { ErofsOptions } from '../render/index.ts';

/** How an EROFS is made where nothing else is asked for: as fast as data can be written, and to be mounted without a decompressor. */
export const usualErofs = {
  compression: 'none',
  // Of programs and text, half of it makes images 3 % larger, twice as much 2 % smaller; what is read is decompressed whole.
  blockSize: 128 * 1024,
} as const satisfies Partial<ErofsOptions>;
