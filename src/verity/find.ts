import { readFully } from './block-hasher.ts';
import { BlockFile } from './file.ts';
import { computeGeometry } from './geometry.ts';
import { blockSize, signature } from './layout.ts';

/**
 * Where the superblock of an appended tree is in a file, in bytes; `undefined` if there is none. Only one number of data blocks gives a
 * file of this size when their tree is added, so there is one place to look. What is found need not be right.
 */
export function findAppendedTree(path: string): number | undefined {
  using file = new BlockFile(path);
  return findAppended(file);
}

export function findAppended({ fd, size }: BlockFile): number | undefined {
  if (size % blockSize !== 0) return undefined;
  // The size grows with the number of data blocks.
  let [low, high] = [1, size / blockSize];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (computeGeometry(middle, middle * blockSize).end < size) low = middle + 1;
    else high = middle;
  }
  const hashOffset = low * blockSize;
  if (size === 0 || computeGeometry(low, hashOffset).end !== size) return undefined;
  const start = Buffer.alloc(signature.length);
  readFully(fd, start, start.length, hashOffset);
  return start.toString('latin1') === signature ? hashOffset : undefined;
}
