import { lstatSync, rmSync } from 'node:fs';
import { type BlobLocation, DigestVerifier, readLocation } from '../content/index.ts';
import { ShaleError } from '../error/index.ts';
import type { Digest } from '../oci/index.ts';
import { findBlob } from './blob.ts';
import type { Reach } from './failpoint.ts';
import type { Layout } from './layout.ts';
import { placeFile } from './place-file.ts';

/**
 * Stores a blob that is all in memory: a manifest, an index, a config. ContentError `corrupt` if it is not what the
 * descriptor says; durable when the promise is fulfilled.
 */
export async function putDocument(
  layout: Layout,
  descriptor: { readonly digest: Digest; readonly size: number },
  bytes: Uint8Array,
  reach: Reach,
): Promise<BlobLocation> {
  const verifier = new DigestVerifier(descriptor);
  verifier.update(bytes);
  verifier.finish();
  const path = layout.blob(descriptor.digest);
  if (findBlob(layout, descriptor.digest, descriptor.size) === undefined) {
    await placeFile(layout, path, [bytes], () => reach('document-renamed'));
  }
  return { path, offset: 0, size: descriptor.size };
}

/** Reads a blob once more, and removes it if it is not what its name says: whoever wants it fetches it again. True if so. */
export async function dropDamagedBlob(layout: Layout, digest: Digest): Promise<boolean> {
  const location = findBlob(layout, digest);
  if (location === undefined) return false;
  const { ino } = lstatSync(location.path);
  const verifier = new DigestVerifier({ digest });
  try {
    for await (const chunk of readLocation(location)) verifier.update(chunk);
    verifier.finish();
    return false;
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code !== 'corrupt') throw error;
  }
  // Somebody may have put a good one in its place meanwhile.
  if (lstatSync(location.path, { throwIfNoEntry: false })?.ino !== ino) return false;
  rmSync(location.path, { force: true });
  return true;
}
