import type { ErofsOptions } from '../render/index.ts';

/** How an EROFS is made where nothing else is asked for: as fast as data can be written, and to be mounted without a decompressor. */
export const usualErofs = {
  compression: 'none',
  blockSize: 64 * 1024,
} as const satisfies Partial<ErofsOptions>;
