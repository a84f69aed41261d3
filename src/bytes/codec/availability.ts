import { hasLiblzma } from '../native/lzma.ts';
import type { BlockAlgorithm } from './types.ts';

/** Whether blocks can be compressed so on this machine, and if not, why and what would help. */
export type Availability =
  | { readonly available: true }
  | { readonly available: false; readonly reason: string };

export function isAvailable(algorithm: BlockAlgorithm): Availability {
  if (algorithm !== 'xz' || hasLiblzma()) return { available: true };
  return {
    available: false,
    reason: 'compressing with xz needs the system library liblzma.so.5 (package liblzma5, or xz-libs)',
  };
}
