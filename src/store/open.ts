import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno, ShaleError } from '../error/index.ts';
import { type FileLock, findDataRoot, replaceFile, syncDirectoryNow } from '../host/index.ts';
import { Catalogue } from './catalogue.ts';
import { Database, findDatabase } from './database.ts';
import { StoreError, wrapStore } from './error.ts';
import type { Reach } from './failpoint.ts';
import { ensureDirectory, Layout } from './layout.ts';
import { formatLayoutIndex } from './layout-index.ts';
import { rebuildDatabase } from './recovery.ts';
import { giveReserve, isDiskFull } from './reserve.ts';
import { waitForLock } from './waiting.ts';

export interface StoreOptions {
  /** The directory of the cache; the user's own (`findDataRoot`) if not given. Created if it is not there. */
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** It is opened to make room, or to look: on a full disk it may use what is kept back for that. */
  readonly upkeep?: boolean | undefined;
  /** For tests: told of each instant after which a crash matters. */
  readonly reach?: Reach | undefined;
}

/**
 * Opens the cache, and creates it if need be. Cheap where all is as it should be: one file is opened, no directory is
 * read. What a crash left undone is done now; a database that is lost or damaged is made anew.
 */
export async function openCatalogue(options: StoreOptions): Promise<Catalogue> {
  const layout = new Layout(options.root ?? findDataRoot());
  const { upkeep = false } = options;
  if (upkeep && isDiskFull(layout.root)) giveReserve(layout);
  try {
    return await openLayout(layout, options);
  } catch (error) {
    // A quota shows in no other way.
    const isFull = error instanceof ShaleError && error.code === 'exhausted';
    if (!upkeep || !isFull || !giveReserve(layout)) throw error;
    return await openLayout(layout, options);
  }
}

async function openLayout(layout: Layout, options: StoreOptions): Promise<Catalogue> {
  const reach = options.reach ?? (() => {});
  try {
    let database = findDatabase(layout.database);
    if (!(database instanceof Database)) {
      createRoot(layout);
      const lock: FileLock = await waitForLock(layout.lock, { signal: options.signal });
      try {
        database = findDatabase(layout.database);
        if (!(database instanceof Database)) database = await create(layout, reach);
      } finally {
        lock.remove();
      }
    }
    const catalogue = new Catalogue(layout, database, reach);
    try {
      catalogue.tryPublish();
    } catch (error) {
      catalogue[Symbol.dispose]();
      throw error;
    }
    return catalogue;
  } catch (error) {
    throw wrapStore(error, `cannot open the cache ${layout.root}`, layout.root);
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
const harmless = new Set(['lost+found', 'shale.lock', 'initramfs', 'kernels', 'volumes', 'zones']);

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
