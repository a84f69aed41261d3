import { createHash } from 'node:crypto';
import { readDirectory, readFileIn } from '../../render/index.ts';
import type { Artifact } from './artifact.ts';
import { digestBytes } from './content-digests.ts';
import type { Pace } from './pace.ts';

export async function readDirectoryArtifact(
  path: string,
  pace: Pace,
  signal: AbortSignal,
): Promise<Artifact> {
  const tree = await readDirectory(path, { signal });
  const digests = new Uint8Array(tree.nodes.length * digestBytes);
  for (const { inode, index } of tree.nodes) {
    if (inode.type !== 'file') continue;
    const hash = createHash('sha256');
    for (const chunk of readFileIn(path, inode.content.path)) {
      hash.update(chunk);
      if (pace.isDue) await pace.rest();
    }
    digests.set(hash.digest(), index * digestBytes);
    if (pace.isDue) await pace.rest();
  }
  return { tree, digests, strays: [] };
}
