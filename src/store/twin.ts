import { createHash } from 'node:crypto';
import { formatTwin, type Manifest, parseDigest } from '../oci/index.ts';
import type { NewImage } from './image.ts';
import type { Lease } from './lease.ts';
import type { Store } from './store.ts';

/**
 * Stores the OCI form of a Docker manifest, which index.json lists in its stead; what it gives belongs into the image's
 * record. Nothing of an OCI manifest. The lease keeps it until the record does.
 */
export async function putTwin(
  store: Store,
  manifest: Manifest,
  lease?: Lease,
): Promise<Pick<NewImage, 'twin'>> {
  const bytes = formatTwin(manifest);
  if (bytes === undefined) return {};
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  const twin = { digest, size: bytes.length };
  lease?.add([digest]);
  await store.putDocument(twin, bytes);
  return { twin };
}
