import { createHash } from 'node:crypto';
import { type Digest, parseDigest } from './digest.ts';

/**
 * The chainIDs of layers (image-spec, config.md, "Layer ChainID"): each names a layer together with all those below it. Oldest first, as the diffIDs are; the
 * first one's is its diffID.
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : chainDigest(below, diffId));
  }
  return chain;
}

function chainDigest(below: Digest, diffId: Digest): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`);
}
