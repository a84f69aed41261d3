import { lstatSync } from 'node:fs';
import type { BlobLocation } from '../content/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Layout } from './layout.ts';

/**
 * Where a blob lies, if it is there and, where `size` is given, has that many bytes. It was verified when it came; only
 * `fsck` reads it again.
 */
export function findBlob(layout: Layout, digest: Digest, size?: number): BlobLocation | undefined {
  const path = layout.blob(digest);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile() || (size !== undefined && stats.size !== size)) return undefined;
  return { path, offset: 0, size: stats.size };
}
