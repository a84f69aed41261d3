import { blockSize, header } from './layout.ts';
import { readNumber } from './number.ts';

/** How a header block presents itself. */
export type BlockState = 'header' | 'zero' | 'corrupt';

/**
 * Checks the sum over a header, its own field counted as spaces. Historic tars summed signed bytes: both are accepted.
 * A block of zeros has no checksum: it is an end mark.
 */
export function checkBlock(block: Uint8Array, base: number): BlockState {
  let sum = 0;
  for (let at = base, end = base + blockSize; at < end; at += 1) sum += block[at]!;
  if (sum === 0) return 'zero';
  const expected = readNumber(block, base, header.checksum, 'checksum');
  const { at, length } = header.checksum;
  for (let index = 0; index < length; index += 1) sum += 0x20 - block[base + at + index]!;
  if (sum === expected) return 'header';
  return signedSum(block, base) === expected ? 'header' : 'corrupt';
}

function signedSum(block: Uint8Array, base: number): number {
  const { at: field, length } = header.checksum;
  let sum = 0;
  for (let at = 0; at < blockSize; at += 1) {
    const inField = at >= field && at < field + length;
    const byte = inField ? 0x20 : block[base + at]!;
    sum += byte > 0x7f ? byte - 0x100 : byte;
  }
  return sum;
}

/** Fills in the checksum of a finished header: six digits, NUL, space, as every tar writes it. */
export function writeChecksum(block: Uint8Array): void {
  const { at, length } = header.checksum;
  block.fill(0x20, at, at + length);
  let sum = 0;
  for (const byte of block.subarray(0, blockSize)) sum += byte;
  const digits = sum.toString(8).padStart(6, '0');
  for (let index = 0; index < digits.length; index += 1) block[at + index] = digits.charCodeAt(index);
  block[at + 6] = 0;
}
