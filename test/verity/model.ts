import { createHash } from 'node:crypto';

/** The hash blocks of data, by the words of the kernel's documentation and nothing else; all in memory. */
export function modelTree(
  data: Buffer,
  salt: Buffer,
): { readonly root: string; readonly hashBlocks: Buffer } {
  const digest = (block: Buffer) => createHash('sha256').update(salt).update(block).digest();
  const blocksOf = (bytes: Buffer) =>
    Array.from({ length: bytes.length / 4096 }, (_, index) =>
      bytes.subarray(index * 4096, index * 4096 + 4096),
    );
  const levels: Buffer[] = [];
  let blocks = blocksOf(data);
  while (blocks.length > 1) {
    const digests = Buffer.concat(blocks.map(digest));
    const level = Buffer.concat([digests, Buffer.alloc((4096 - (digests.length % 4096)) % 4096)]);
    levels.unshift(level);
    blocks = blocksOf(level);
  }
  return { root: digest(blocks[0]!).toString('hex'), hashBlocks: Buffer.concat(levels) };
}

/** `01234567-89ab-…` */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
