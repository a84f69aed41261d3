import { BlockHasher } from './block-hasher.ts';
import { blockSize, digestSize } from './layout.ts';
import { foldedSize, foldLevels, type UpperLevels } from './levels.ts';
import { runPass } from './run-pass.ts';

/** What is hashed, and where the lowest level of the tree goes. */
export interface DataHash {
  /** Descriptor of the data, which begins at its start. */
  readonly source: number;
  /** Of the data, in bytes; a last block that is not whole counts as filled up with zeros. At least 1. */
  readonly size: number;
  readonly salt: Uint8Array;
  /** Where the lowest level goes, if it is wanted: a descriptor, and a position in bytes. */
  readonly target?: { readonly fd: number; readonly position: number } | undefined;
  readonly jobs: number;
  readonly signal: AbortSignal | undefined;
}

/** Hashes data in one pass over it: writes the lowest level, returns all above. */
export async function hashData({ source, size, salt, target, ...options }: DataHash): Promise<UpperLevels> {
  // The digest of a single block is the root itself: there is no level.
  if (size <= blockSize) return { rootHash: hashBlock(source, 0, salt, size), blocks: Buffer.alloc(0) };
  const folded = new Uint8Array(new SharedArrayBuffer(foldedSize(size)));
  await runPass(
    {
      ...{ source, sourcePosition: 0, size, folded },
      ...{ target: target?.fd, targetPosition: target?.position ?? 0 },
    },
    salt,
    options,
  );
  return foldLevels(folded, new BlockHasher(salt));
}

/** The digest of one block. */
export function hashBlock(file: number, position: number, salt: Uint8Array, size = blockSize): Buffer {
  const digest = Buffer.alloc(digestSize);
  new BlockHasher(salt).hashFile(file, position, size, digest);
  return digest;
}
