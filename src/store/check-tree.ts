import { closeSync, lstatSync, openSync, readSync, type Stats } from 'node:fs';
import { wrapErrno } from '../error/index.ts';
import { computeGeometry } from '../verity/geometry.ts';
import { blockSize } from '../verity/layout.ts';
import { BlockTree } from './block-tree.ts';
import { hashFile, judge, removeSame } from './check-content.ts';
import type { Check, Damage } from './fsck.ts';
import { SealError } from './seal.ts';
import type { StoredVerity } from './verity.ts';

/** Compares a hash tree with data that is read anyway. One of these, `finish` or dispose, comes last. */
export class TreeComparison implements Disposable {
  readonly #tree: StoredVerity;
  readonly #fd: number;
  readonly #blocks: BlockTree;
  readonly #lowest: number;
  #problem: string | undefined;

  constructor(tree: StoredVerity) {
    const { path, dataBlocks, salt, hashOffset } = tree;
    this.#tree = tree;
    this.#lowest = computeGeometry(dataBlocks, hashOffset).levels[0]?.position ?? 0;
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw wrapErrno(error, `cannot read ${path}`);
    }
    this.#blocks = new BlockTree(dataBlocks * blockSize, Buffer.from(salt, 'hex'), (block, index) =>
      this.#compare(block, this.#lowest + index * blockSize),
    );
  }

  update(chunk: Uint8Array): void {
    this.#blocks.update(chunk);
  }

  /** What is wrong with it. */
  finish(): string | undefined {
    const { rootHash, blocks } = this.#blocks.finish();
    const root = rootHash.toString('hex');
    if (root !== this.#tree.rootHash)
      return `the root hash of its data is ${root}, not ${this.#tree.rootHash}`;
    this.#compare(blocks, this.#tree.hashOffset + blockSize);
    return this.#problem;
  }

  #compare(expected: Buffer, position: number): void {
    if (this.#problem !== undefined) return;
    const actual = Buffer.alloc(expected.length);
    readSync(this.#fd, actual, 0, actual.length, position);
    if (!actual.equals(expected)) this.#problem = `at byte ${position} it is not what its data says`;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** The hash tree is there, and what its digest says, and what its artifact says, which is sound. */
export async function checkTree(
  check: Check,
  tree: StoredVerity,
  compare: () => string | undefined,
): Promise<void> {
  const { path, size, digest } = tree;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const problem =
    stats === undefined
      ? 'its file is missing'
      : await judge(check, path, stats, async () => {
          if (stats.size !== size) return `it has ${stats.size} bytes, not ${size}`;
          const actual = await hashFile(check, path, size, digest);
          return actual === digest ? compare() : `its digest is ${actual}, not ${digest}`;
        });
  if (problem !== undefined) dropTree(check, tree, stats, problem);
}

/** The artifact stays: the next one who wants its tree makes it anew. */
function dropTree(
  check: Check,
  { key, path }: StoredVerity,
  stats: Stats | undefined,
  problem: string,
): void {
  const { database, layout } = check.catalogue;
  const isSame = () =>
    database.first('SELECT key FROM verity WHERE key = ?', key) !== undefined &&
    lstatSync(path, { throwIfNoEntry: false })?.ino === stats?.ino;
  if (!database.write(isSame)) return; // Collected, or made anew, while it was read.
  const refusal = repairDamage(check, () => {
    if (!isSame()) return;
    if (stats !== undefined) removeSame(path, stats);
    database.run('DELETE FROM verity WHERE key = ?', key);
  });
  const name = path.slice(layout.root.length + 1);
  check.damaged.push({ kind: 'verity', name, ...describeRepair(check, problem, refusal) });
}

/** Runs a repair, if one is wanted, in a transaction. Why it could not be done, if a seal is in the way. */
export function repairDamage({ catalogue, repair }: Check, work: () => void): string | undefined {
  if (!repair) return undefined;
  try {
    catalogue.database.write(work);
    return undefined;
  } catch (error) {
    if (error instanceof SealError) return error.message;
    throw error;
  }
}

export function describeRepair(
  { repair }: Check,
  problem: string,
  refusal: string | undefined,
): Pick<Damage, 'problem' | 'action'> {
  if (refusal !== undefined) return { problem: `${problem}; ${refusal}`, action: 'none' };
  return { problem, action: repair ? 'dropped' : 'none' };
}
