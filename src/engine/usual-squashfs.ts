import { defaultLevel } from '../bytes/codec/level.ts';
import type { SquashfsOptions } from '../render/index.ts';

/** How a squashfs is made where nothing else is asked for. */
export const usualSquashfs = {
  compression: 'zstd',
  level: defaultLevel('zstd'),
  blockSize: 128 * 1024,
  fragments: true,
} as const satisfies Omit<SquashfsOptions, 'modificationTime'>;
