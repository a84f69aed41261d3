import { superblock, superblockOffset } from './layout.ts';

/** CRC-32C (Castagnoli), reflected, by byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ ((value & 1) === 1 ? 0x82f63b78 : 0);
  return value;
});

/** How many bytes the checksum covers, from the superblock's place on: to the end of its block. */
export function checksumLength(blockSize: number): number {
  return blockSize > superblockOffset ? blockSize - superblockOffset : blockSize;
}

/** Of `bytes`, which begin with the superblock; its checksum field counts as 0. Seeded with -1, not inverted at the end. */
export function superblockChecksum(bytes: Uint8Array): number {
  const field = superblock.offsets.checksum;
  let sum = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    const byte = at >= field && at < field + 4 ? 0 : bytes[at]!;
    sum = (sum >>> 8) ^ table[(sum ^ byte) & 0xff]!;
  }
  return sum >>> 0;
}
