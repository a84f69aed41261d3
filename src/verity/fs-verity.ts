import { hash } from 'node:crypto';
import { VerityError } from './error.ts';
import {
  algorithm,
  blockSize,
  descriptor,
  descriptorAlgorithm,
  descriptorVersion,
  digestSize,
} from './layout.ts';

/**
 * The digest that fs-verity has for a file, `sha256:…`, and that `FS_IOC_MEASURE_VERITY` and `fsverity digest` give: of its size in
 * bytes and the root of its Merkle tree. Without a salt that tree is dm-verity's, so whoever knows the root hash knows this.
 */
export function fsverityDigest(rootHash: string, size: number): string {
  const bytes = Buffer.alloc(descriptor.size);
  const root = Buffer.alloc(64);
  // A file without bytes has a root of zeros: there is no block to hash.
  if (size > 0) root.write(rootHash, 0, digestSize, 'hex');
  descriptor.write(bytes, 0, {
    ...{ version: descriptorVersion, hashAlgorithm: descriptorAlgorithm, logBlockSize: Math.log2(blockSize) },
    ...{ saltSize: 0, signatureSize: 0, dataSize: size, rootHash: root },
    ...{ salt: Buffer.alloc(32), reserved: Buffer.alloc(144) },
  });
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}`;
}

/** VerityError `invalid` for what is no fs-verity digest of sha256; its hex digits may be of either case. */
export function parseFsverityDigest(text: string): string {
  if (/^sha256:[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new VerityError(
    'invalid',
    `${JSON.stringify(text)} is no fs-verity digest: sha256: and 64 hex digits`,
    {
      detail: { fsverity: text },
      hint: 'fsverity digest FILE prints one',
    },
  );
}
