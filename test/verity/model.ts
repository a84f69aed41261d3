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

/** The fs-verity digest, by Documentation/filesystems/fsverity.rst: of the descriptor, with the root of what is filled up with zeros. */
export function modelFsverity(data: Buffer): string {
  const filled = Buffer.concat([data, Buffer.alloc((4096 - (data.length % 4096)) % 4096)]);
  const descriptor = Buffer.alloc(256);
  descriptor.set([1, 1, 12, 0]);
  descriptor.writeBigUInt64LE(BigInt(data.length), 8);
  if (data.length > 0) descriptor.write(modelTree(filled, Buffer.alloc(0)).root, 16, 'hex');
  return `sha256:${createHash('sha256').update(descriptor).digest('hex')}`;
}

/** `01234567-89ab-…` */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
