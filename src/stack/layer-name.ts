import { createHash } from 'node:crypto';
import type { Digest } from '../oci/index.ts';

/** What a layer's files are called, and the tag by which a merged image names the layer: its diffID in hex, 64 characters. */
export function layerName(diffId: Digest): string {
  const [algorithm, hex] = diffId.split(':') as [string, string];
  // A tag has no room for longer digests, which nobody uses.
  return algorithm === 'sha256' ? hex : createHash('sha256').update(diffId).digest('hex');
}
