import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../error/index.ts';
import { type FileLock, replaceFile, syncDirectoryNow } from '../host/index.ts';
import type { Catalogue } from './catalogue.ts';
import { Database, findDatabase } from './database.ts';
import { StoreError } from './error.ts';
import type { Reach } from './failpoint.ts';
import { ensureDirectory, type Layout } from './layout.ts';
import { formatLayoutIndex } from './layout-index.ts';
import { rebuildDatabase } from './recovery.ts';
import { waitForLock } from './waiting.ts';

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

/** May be there first: other modules, which make directories in the root, do not wait for the cache. */
const harmless = new Set([
  ...['lost+found', 'shale.lock', 'initramfs', 'kernels', 'volumes', 'zones', 'snapshots', 'containerd'],
  ...['namespace.json', 'namespace.lock'],
]);

/** The root itself: 0700, and nobody else's data. */
function createRoot({ root, leases, database }: Layout): void {
  createParents(root);
  const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  const ours = isThere(leases) || isThere(database);
  const names = ours ? [] : readdirSync(root).filter(name => !harmless.has(name));
  // `leases` comes first of all that is made, so a cache that was cut off in its making is known for one. Without
  // this check, a slip in --root would give a directory of the user's to gc.
  if (names.length > 0) {
    throw new StoreError('invalid', `${root} is not empty, and is no cache of Shale's`, {
      detail: { root, names: names.slice(0, 20) },
      hint: 'name an empty directory, or one that does not exist yet, with --root or SHALE_ROOT',
    });
  }
  if (!ours) chmodSync(root, 0o700);
}

/**
 * The root and what is missing above it, one directory after the other, each synced into its parent. (Node's own way to do it at
 * once never ends where a filesystem says ENOENT to all of them, as /proc does.)
 */
function createParents(root: string): void {
  const missing: string[] = [];
  for (let path = root; lstatSync(path, { throwIfNoEntry: false }) === undefined; path = dirname(path)) {
    missing.unshift(path);
  }
  for (const path of missing) {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      // Another process does the same.
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    syncIfAllowed(dirname(path));
  }
}

/** One may make a directory where one may not look. */
function syncIfAllowed(path: string): void {
  try {
    syncDirectoryNow(path);
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM')) throw error;
  }
}

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
