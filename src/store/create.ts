import { lstatSync } from 'node:fs';
import { type FileLock, replaceFile, syncDirectoryNow, waitForLock } from '../host/index.ts';
import type { Catalogue } from './catalogue.ts';
import { Database, findDatabase } from './database.ts';
import { StoreError } from './error.ts';
import type { Reach } from './failpoint.ts';
import { ensureDirectory, type Layout } from './layout.ts';
import { formatLayoutIndex } from './layout-index.ts';
import { rebuildDatabase } from './recovery.ts';
import { createRoot } from './root.ts';

/** Makes the cache where there is none, or its database where that is lost or damaged, unless another process has just done so. */
export async function ensureDatabase(
  layout: Layout,
  reach: Reach,
  signal: AbortSignal | undefined,
): Promise<Database> {
  createRoot(layout);
  const lock: FileLock = await waitForLock(layout.lock, { signal });
  try {
    const database = findDatabase(layout.database);
    return database instanceof Database ? database : await create(layout, reach);
  } finally {
    lock.remove();
  }
}

/** Makes the database anew although one is there: it was found to be damaged. */
export async function reopenRebuilt(catalogue: Catalogue): Promise<void> {
  const { layout, reach } = catalogue;
  // First, for SQLite goes by names: closing it later could touch the log of the new one.
  catalogue.database[Symbol.dispose]();
  const lock: FileLock = await waitForLock(layout.lock);
  try {
    catalogue.replaceDatabase(await create(layout, reach));
  } finally {
    lock.remove();
  }
  catalogue.publish();
}

/** The content of oci-layout (OCI image-spec, image-layout.md). */
export const layoutMarker = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

async function create(layout: Layout, reach: Reach): Promise<Database> {
  const { leases, blobs, ingests, layers, artifacts, trash, marker, index } = layout;
  for (const path of [leases, blobs, ingests, layers, artifacts, trash]) ensureDirectory(path);
  const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!isThere(marker)) replaceFile(marker, layoutMarker);
  if (!isThere(index)) replaceFile(index, formatLayoutIndex([]));
  syncDirectoryNow(layout.root);
  reach('layout-made');
  await rebuildDatabase(layout);
  reach('database-made');
  const database = findDatabase(layout.database);
  if (database instanceof Database) return database;
  throw new StoreError('internal', `${layout.database} is ${database} after it was made`);
}
