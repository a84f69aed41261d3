import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../error/index.ts';
import { syncDirectoryNow } from '../host/index.ts';
import { StoreError } from './error.ts';
import type { Layout } from './layout.ts';

/** May be there first: other modules, which make directories in the root, do not wait for the cache. */
const harmless = new Set([
  ...['lost+found', 'shale.lock', 'initramfs', 'kernels', 'volumes', 'zones', 'snapshots', 'containerd'],
  ...['namespace.json', 'namespace.lock'],
]);

/** Makes the root: 0700, and nobody else's data. Any number of processes may do so at once. StoreError `invalid` if it is something else. */
export function createRoot({ root, leases, database }: Layout): void {
  createParents(root);
  const names = readdirSync(root).filter(name => !harmless.has(name));
  const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  // `leases` comes first of all that is made, so a cache that was cut off in its making is known for one; and it is looked for
  // after the names were read, for another process may be making the cache just now.
  if (isThere(leases) || isThere(database)) return;
  // Without this check, a slip in --root would give a directory of the user's to gc.
  if (names.length > 0) {
    throw new StoreError('invalid', `${root} is not empty, and is no cache of Shale's`, {
      detail: { root, names: names.slice(0, 20) },
      hint: 'name an empty directory, or one that does not exist yet, with --root or SHALE_ROOT',
    });
  }
  chmodSync(root, 0o700);
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
