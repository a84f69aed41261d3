import { lstatSync, type Stats } from 'node:fs';
import { ShaleError } from '../error/index.ts';
import { knownArtifact, type StoredArtifact } from './artifact.ts';
import { dropArtifact, hashFile, judge, type Part, removeSame } from './check-content.ts';
import type { Check } from './fsck.ts';
import { listVerity, type StoredVerity } from './verity.ts';

/** Every hash tree is there, and what its digest says; it vouches for its artifact, and its root hash for it. */
export function checkTrees(check: Check): Part {
  const trees = listVerity(check.catalogue);
  return {
    bytes: trees.reduce((sum, { size }) => sum + size, 0),
    async run() {
      for (const tree of trees) await checkTree(check, tree);
    },
  };
}

async function checkTree(check: Check, tree: StoredVerity): Promise<void> {
  const { path, size, digest, rootHash, key } = tree;
  // What was just found to be damaged, or collected, has taken its tree along.
  const artifact = knownArtifact(check.catalogue, key);
  if (artifact === undefined || isDamaged(check, artifact)) return;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  let dataProblem: string | undefined;
  const problem =
    stats === undefined
      ? 'its file is missing'
      : await judge(check, path, stats, async () => {
          if (stats.size !== size) return `it has ${stats.size} bytes, not ${size}`;
          const actual = await hashFile(check, path, size, digest);
          if (actual !== digest) return `its digest is ${actual}, not ${digest}`;
          const { signal } = check;
          const { verifyVerityTree } = await import('../verity/index.ts');
          try {
            await verifyVerityTree({ data: artifact.path, tree: path, rootHash, signal });
          } catch (error) {
            if (!(error instanceof ShaleError) || !isDamage(error)) throw error;
            if (error.detail.what !== 'data') return error.message;
            dataProblem = error.message;
          }
          return undefined;
        });
  if (problem !== undefined) dropTree(check, tree, stats, problem);
  if (dataProblem === undefined) return;
  dropArtifact(check, artifact, lstatSync(artifact.path, { throwIfNoEntry: false }), dataProblem);
}

function isDamaged({ catalogue, damaged }: Check, { path }: StoredArtifact): boolean {
  const own = path.slice(catalogue.layout.root.length + 1);
  return damaged.some(({ kind, name }) => kind === 'artifact' && name === own);
}

function isDamage({ code }: ShaleError): boolean {
  return code === 'corrupt' || code === 'invalid' || code === 'unsupported';
}

/** The artifact stays: the next one who wants its tree makes it anew. */
function dropTree(
  { catalogue, repair, damaged }: Check,
  { key, path }: StoredVerity,
  stats: Stats | undefined,
  problem: string,
): void {
  const { database, layout } = catalogue;
  const isGone = catalogue.database.write(() => {
    const isKnown = database.first('SELECT key FROM verity WHERE key = ?', key) !== undefined;
    const isSame = lstatSync(path, { throwIfNoEntry: false })?.ino === stats?.ino;
    if (!isKnown || !isSame) return true; // Collected, or made anew, while it was read.
    if (!repair) return false;
    if (stats !== undefined) removeSame(path, stats);
    database.run('DELETE FROM verity WHERE key = ?', key);
    return false;
  });
  if (isGone) return;
  const name = path.slice(layout.root.length + 1);
  damaged.push({ kind: 'verity', name, problem, action: repair ? 'dropped' : 'none' });
}
