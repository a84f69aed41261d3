import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { readVerified } from '../content/index.ts';
import { isErrno } from '../error/index.ts';
import { syncDirectoryNow } from '../host/index.ts';
import { formatPlatform, formatReference, parseConfig, parseManifest, parseReference } from '../oci/index.ts';
import { findBlob } from './blob.ts';
import { createDatabase } from './database.ts';
import { blobsOf, type NewImage } from './image.ts';
import { ImageTable } from './images.ts';
import type { Layout } from './layout.ts';
import { type IndexedImage, readLayoutIndex } from './layout-index.ts';

/**
 * Makes the database anew from index.json and the manifests that it names, under a name of its own, and only then puts
 * it in its place: nobody ever sees half of one. What was there before is kept beside it. Leases and artifacts are
 * not known afterwards: what they stood for is made again. The caller holds the layout's lock.
 */
export async function rebuildDatabase(layout: Layout): Promise<void> {
  const images: NewImage[] = [];
  for (const entry of readLayoutIndex(layout.index)) {
    const image = await findImage(layout, entry);
    if (image !== undefined) images.push(image);
  }
  const fresh = `${layout.database}.new`;
  removeDatabase(fresh);
  {
    using database = createDatabase(fresh);
    chmodSync(fresh, 0o600); // The log and its index take their modes from it.
    const table = new ImageTable(database);
    database.write(() => {
      for (const image of images) table.put(image);
      // What could not be found again must not stay in index.json either.
      database.run(`UPDATE state SET value = 1 WHERE name = 'dirty'`);
    });
  }
  const fd = openSync(fresh, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  setAside(layout.database);
  renameSync(fresh, layout.database);
  syncDirectoryNow(layout.root);
}

/** The image of an entry, if its manifest and config are intact and all of its blobs are there. */
async function findImage(layout: Layout, entry: IndexedImage): Promise<NewImage | undefined> {
  try {
    const { target, pulled } = entry;
    const descriptor = { ...entry.descriptor, ...entry.manifest };
    const { digest, size } = entry.descriptor;
    const read = async (blob: { digest: typeof target; size: number }) => {
      const location = findBlob(layout, blob.digest, blob.size);
      return location === undefined ? undefined : await readVerified(location, blob);
    };
    const manifestBytes = await read(descriptor);
    if (manifestBytes === undefined) return undefined;
    const manifest = parseManifest(manifestBytes, descriptor.mediaType);
    if (manifest.kind !== 'manifest') return undefined;
    const configBytes = await read(manifest.config);
    if (configBytes === undefined) return undefined;
    const config = parseConfig(configBytes);
    const platform = descriptor.platform ?? config.platform;
    if (platform === undefined || manifest.layers.length !== config.diffIds.length) return undefined;
    const image: NewImage = {
      reference: formatReference(parseReference(entry.reference)),
      platform: formatPlatform(platform),
      target,
      manifest: descriptor.digest,
      manifestSize: descriptor.size,
      manifestType: descriptor.mediaType,
      config: manifest.config.digest,
      configSize: manifest.config.size,
      configType: manifest.config.mediaType,
      layers: manifest.layers.map(({ digest, size, mediaType }, position) => {
        return { digest, size, mediaType, diffId: config.diffIds[position]! };
      }),
      ...(entry.manifest && { twin: { digest, size } }),
      pulled,
    };
    const complete = blobsOf(image).every(({ digest, size }) => findBlob(layout, digest, size) !== undefined);
    return complete ? image : undefined;
  } catch {
    return undefined; // Damaged: whoever wants it fetches it again.
  }
}

/** A write-ahead log belongs to the one file that it was written for: beside another one it would destroy it. */
const companions = ['', '-wal', '-shm', '-journal'] as const;

function removeDatabase(path: string): void {
  for (const suffix of companions) rmSync(path + suffix, { force: true });
}

function setAside(path: string): void {
  removeDatabase(`${path}.damaged`);
  for (const suffix of companions) {
    try {
      renameSync(path + suffix, `${path}.damaged${suffix}`);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}
