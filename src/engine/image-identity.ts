import { createHash } from 'node:crypto';
import type { Digest } from '../oci/index.ts';

/** What an image's root filesystem is made of, whatever its manifest is called: a digest of the diffIDs of its layers. Goes into UUIDs. */
export function imageIdentity(layers: readonly { readonly diffId: Digest }[]): Uint8Array {
  const hash = createHash('sha256');
  for (const { diffId } of layers) hash.update(`${diffId}\n`);
  return hash.digest();
}
