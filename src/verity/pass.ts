import { writeAll } from '../host/index.ts';
import { type BlockHasher, readFully } from './block-hasher.ts';
import { VerityError } from './error.ts';
import { blockSize, digestSize, digestsPerBlock } from './layout.ts';

/** The digests of all blocks in one range of a file: to be compared with a level of a tree, or to become its lowest. */
export interface Pass {
  /** Descriptors, of this process, as are those of its threads. */
  readonly source: number;
  /** Where the level is, or is to be; `undefined` if only its own digests are wanted. */
  readonly target: number | undefined;
  /** Where the blocks begin in `source`, and the level in `target`; in bytes. */
  readonly sourcePosition: number;
  readonly targetPosition: number;
  /** How many bytes are hashed; a last block that is not whole counts as filled up with zeros. */
  readonly size: number;
  /** If not given, the digests are compared with the level. Otherwise the level is written, and this gets the digests of its blocks. */
  readonly folded?: Uint8Array;
}

/** A pass is worked through in steps of so many blocks: milliseconds, whole hash blocks, and 64 KiB of digests. */
export const stepBlocks = 16 * digestsPerBlock;
const stepBytes = stepBlocks * blockSize;

export function countSteps({ size }: Pass): number {
  return Math.ceil(size / stepBytes);
}

/** The digests of one step. */
export function createStepMemory(): Buffer {
  return Buffer.allocUnsafeSlow(stepBlocks * digestSize);
}

/**
 * One step of a pass. Where it compares: the first block whose digest is not in its place; `undefined` if all are. VerityError
 * `conflict` if a file is shorter than it was. `memory` and `expected` are from `createStepMemory`.
 */
export function runStep(
  pass: Pass,
  step: number,
  hasher: BlockHasher,
  memory: Buffer,
  expected: Buffer,
): number | undefined {
  const first = step * stepBlocks;
  const digests = hashRange(pass, first, hasher, memory);
  if (pass.folded !== undefined || pass.target === undefined) return undefined;
  const position = pass.targetPosition + first * digestSize;
  if (readFully(pass.target, expected, digests.length, position) < digests.length) {
    throw new VerityError('conflict', 'a hash tree became shorter while it was read', { hint: 'try again' });
  }
  if (digests.equals(expected.subarray(0, digests.length))) return undefined;
  const blocks = Math.min(stepBlocks, Math.ceil(pass.size / blockSize) - first);
  for (let index = 0; index < blocks; index++) {
    const at = index * digestSize;
    if (digests.compare(expected, at, at + digestSize, at, at + digestSize) !== 0) return first + index;
  }
  // The rest of the last hash block: its own digest has been compared with it by now.
  return undefined;
}

/**
 * Hashes up to `most` blocks from `first` on, which begins a hash block; where the pass writes, their level's part is written and
 * folded. Returns that part: whole hash blocks.
 */
export function hashRange(
  { source, sourcePosition, size, target, targetPosition, folded }: Pass,
  first: number,
  hasher: BlockHasher,
  memory: Buffer,
  most = stepBlocks,
): Buffer {
  const length = Math.min(most * blockSize, size - first * blockSize);
  hasher.hashFile(source, sourcePosition + first * blockSize, length, memory);
  const blocks = Math.ceil(length / blockSize);
  const digests = memory.subarray(0, Math.ceil(blocks / digestsPerBlock) * blockSize);
  digests.fill(0, blocks * digestSize);
  if (folded === undefined) return digests;
  if (target !== undefined) writeAll(target, digests, targetPosition + first * digestSize);
  hasher.hashBytes(digests, folded.subarray((first / digestsPerBlock) * digestSize));
  return digests;
}
