import { lstatSync, type Stats } from 'node:fs';
import { verityBlockSize } from '../verity/index.ts';
import { isWhole, listArtifacts, type StoredArtifact } from './artifact.ts';
import { judge, type Part, removeSame } from './check-content.ts';
import { checkTree, describeRepair, repairDamage, TreeComparison } from './check-tree.ts';
import type { Check } from './fsck.ts';
import { type MeasuredFile, measureStored } from './measure.ts';
import { keepMeasured } from './measure-artifact.ts';
import { removeSealed } from './remove-sealed.ts';
import { listVerity, type StoredVerity } from './verity.ts';

/**
 * Every artifact that the database knows is there, in its size, with its digest, its root hash and its fs-verity digest, which one
 * reading gives; and so is its hash tree. One that has no hashes yet, and is what its digest says, gets them now.
 */
export function checkArtifacts(check: Check): Part {
  const artifacts = listArtifacts(check.catalogue);
  const trees = new Map(listVerity(check.catalogue).map(tree => [tree.key, tree]));
  return {
    bytes: [...artifacts, ...trees.values()].reduce((sum, { size }) => sum + size, 0),
    async run() {
      for (const artifact of artifacts) await checkArtifact(check, artifact, trees.get(artifact.key));
    },
  };
}

async function checkArtifact(
  check: Check,
  artifact: StoredArtifact,
  tree: StoredVerity | undefined,
): Promise<void> {
  const { path, size, salt, dataBlocks, fsverity } = artifact;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  using comparison = tree && isWhole(tree) ? new TreeComparison(tree) : undefined;
  const isPart =
    fsverity !== undefined && (salt !== '' || dataBlocks * verityBlockSize < size) && dataBlocks > 0;
  let measured: MeasuredFile | undefined;
  const problem =
    stats === undefined
      ? 'its file is missing'
      : await judge(check, path, stats, async () => {
          if (stats.size !== size) return `it has ${stats.size} bytes, not ${size}`;
          measured = await measureStored(path, size, {
            ...{ signal: check.signal, onRead: check.read, part: isPart ? { salt, dataBlocks } : undefined },
            each: chunk => comparison?.update(chunk),
          });
          return compare(artifact, measured);
        });
  if (problem !== undefined) {
    dropArtifact(check, artifact, stats, problem); // And its tree with it.
    return;
  }
  if (measured === undefined) return; // Gone meanwhile.
  if (fsverity === undefined && keepMeasured(check.catalogue, artifact, measured)) {
    check.measured.push(nameOf(check, artifact));
  }
  if (tree !== undefined) await checkTree(check, tree, () => comparison?.finish());
}

function compare(known: StoredArtifact, found: MeasuredFile): string | undefined {
  if (found.digest !== known.digest) return `its digest is ${found.digest}, not ${known.digest}`;
  if (known.fsverity === undefined) return undefined;
  for (const [what, field] of [
    ['root hash', 'rootHash'],
    ['fs-verity digest', 'fsverity'],
  ] as const) {
    if (found[field] !== known[field]) {
      return `its ${what} is ${found[field] ?? 'none'}, not ${known[field] ?? 'none'}`;
    }
  }
  return undefined;
}

/** Tells of a damaged artifact; a repair removes it, and its tree with it. */
export function dropArtifact(
  check: Check,
  artifact: StoredArtifact,
  stats: Stats | undefined,
  problem: string,
): void {
  const { database, layout } = check.catalogue;
  const { key, path, created } = artifact;
  const current = () => database.first('SELECT created FROM artifact WHERE key = ?', key)?.created;
  if (current() !== created.getTime()) return; // Collected, or made anew, while it was read.
  const refusal = repairDamage(check, () => {
    if (current() !== created.getTime()) return;
    const tree = database.first('SELECT file FROM verity WHERE key = ?', key);
    if (tree !== undefined) removeSealed(layout.artifact(tree.file as string));
    if (stats !== undefined) removeSame(path, stats);
    database.run('DELETE FROM artifact WHERE key = ?', key);
  });
  check.damaged.push({
    kind: 'artifact',
    name: nameOf(check, artifact),
    ...describeRepair(check, problem, refusal),
  });
}

function nameOf({ catalogue }: Check, { path }: StoredArtifact): string {
  return path.slice(catalogue.layout.root.length + 1);
}
