import { writeSync } from 'node:fs';
import { type BlockHasher, readFully } from './block-hasher.ts';
import { VerityError } from './error.ts';
import { blockSize, digestSize, digestsPerBlock } from './layout.ts';

/** The digests of all blocks in one range of a file: to be written to, or compared with, a level of the tree. */
export interface Pass {
  /** Descriptors, of this process, as are those of its threads. */
  readonly source: number;
  readonly target: number;
  /** Where the blocks begin in `source`, and the level in `target`; in bytes. */
  readonly sourcePosition: number;
  readonly targetPosition: number;
  /** How many blocks are hashed. */
  readonly blocks: number;
  readonly compare: boolean;
}

/** A pass is worked through in steps of so many blocks: milliseconds, whole hash blocks, and 64 KiB of digests. */
export const stepBlocks = 16 * digestsPerBlock;

export function countSteps({ blocks }: Pass): number {
  return Math.ceil(blocks / stepBlocks);
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
  const blocks = Math.min(stepBlocks, pass.blocks - first);
  if (hasher.hash(pass.source, pass.sourcePosition + first * blockSize, blocks, memory) < blocks) {
    throw cut();
  }
  const digests = memory.subarray(0, Math.ceil(blocks / digestsPerBlock) * blockSize);
  digests.fill(0, blocks * digestSize);
  const position = pass.targetPosition + first * digestSize;
  if (!pass.compare) {
    let done = 0;
    while (done < digests.length) {
      done += writeSync(pass.target, digests, done, digests.length - done, position + done);
    }
    return undefined;
  }
  if (readFully(pass.target, expected, digests.length, position) < digests.length) throw cut();
  if (digests.equals(expected.subarray(0, digests.length))) return undefined;
  for (let index = 0; index < blocks; index++) {
    const at = index * digestSize;
    if (digests.compare(expected, at, at + digestSize, at, at + digestSize) !== 0) return first + index;
  }
  // The rest of the last hash block: its own digest has been compared with it by now.
  return undefined;
}

function cut(): VerityError {
  return new VerityError('conflict', 'a file became shorter while it was hashed', { hint: 'try again' });
}
