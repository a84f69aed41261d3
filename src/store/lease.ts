import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileLock, isLocked, tryLock } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Catalogue } from './catalogue.ts';
import { wrapStore } from './error.ts';
import type { Layout } from './layout.ts';

/**
 * Keeps digests from being collected: blobs, layer indexes (by their diffID), and the artifacts of a manifest. A lease
 * whose process ended without `release` still counts for a day: an interrupted pull can be resumed.
 */
export interface Lease extends Disposable {
  readonly purpose: string;
  /** Once it returns, what is there of these stays; what is not there yet will stay when it comes. */
  add(digests: Iterable<Digest>): void;
  /** What it was for is done. Without this, disposing is like the end of the process. */
  release(): void;
}

/** How long a lease counts whose process is gone, in milliseconds. */
export const deadLeaseLife = 24 * 60 * 60 * 1000;

/** A lease as gc sees it. */
export interface LeaseRecord {
  readonly id: string;
  readonly purpose: string;
  readonly touched: Date;
  /** Its process lives. */
  readonly live: boolean;
  readonly digests: readonly Digest[];
}

/**
 * Takes a lease. `purpose` is what messages call it, such as "pull of docker.io/library/nginx:1.27 (linux/amd64)". A dead
 * lease of the same purpose becomes part of this one.
 */
export function createLease(catalogue: Catalogue, purpose: string, digests: Iterable<Digest>): OpenLease {
  const { id, lock } = lockNewLease(catalogue.layout, purpose);
  const lease = new OpenLease(catalogue, purpose, id, lock);
  try {
    catalogue.reach('lease-locked');
    // The lock came first: at no time is there a row that looks dead and is not.
    const replaced = catalogue.database.write(() => {
      const { database } = catalogue;
      const sql = 'SELECT id FROM lease WHERE purpose = ?';
      const ids = database.all(sql, purpose).map(row => row.id as string);
      const dead = ids.filter(other => !isLocked(catalogue.layout.lease(other)));
      database.run('INSERT INTO lease VALUES (?, ?, ?)', id, purpose, Date.now());
      for (const other of dead) {
        database.run(
          'INSERT OR IGNORE INTO lease_digest SELECT ?, digest FROM lease_digest WHERE lease = ?',
          id,
          other,
        );
        database.run('DELETE FROM lease WHERE id = ?', other);
      }
      insertDigests(catalogue, id, digests);
      return dead;
    });
    for (const other of replaced) rmSync(catalogue.layout.lease(other), { force: true });
    return lease;
  } catch (error) {
    lock.remove();
    throw error;
  }
}

export class OpenLease implements Lease {
  readonly purpose: string;
  readonly id: string;
  readonly #catalogue: Catalogue;
  readonly #lock: FileLock;
  #open = true;

  constructor(catalogue: Catalogue, purpose: string, id: string, lock: FileLock) {
    this.#catalogue = catalogue;
    this.purpose = purpose;
    this.id = id;
    this.#lock = lock;
  }

  add(digests: Iterable<Digest>): void {
    this.#catalogue.database.write(() => {
      // The row may be gone: without locks ours looked dead to somebody, or the database was rebuilt.
      const sql =
        'INSERT INTO lease VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET touched = excluded.touched';
      this.#catalogue.database.run(sql, this.id, this.purpose, Date.now());
      insertDigests(this.#catalogue, this.id, digests);
    });
  }

  release(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#catalogue.database.write(() =>
        this.#catalogue.database.run('DELETE FROM lease WHERE id = ?', this.id),
      );
    } finally {
      this.#lock.remove();
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#lock[Symbol.dispose]();
  }
}

/** All leases, inside a transaction of the caller's. */
export function readLeases({ database, layout }: Catalogue): LeaseRecord[] {
  const digests = new Map<string, Digest[]>();
  for (const row of database.all('SELECT * FROM lease_digest')) {
    const list = digests.get(row.lease as string);
    if (list === undefined) digests.set(row.lease as string, [row.digest as Digest]);
    else list.push(row.digest as Digest);
  }
  return database.all('SELECT * FROM lease').map(row => ({
    id: row.id as string,
    purpose: row.purpose as string,
    touched: new Date(row.touched as number),
    live: isLocked(layout.lease(row.id as string)),
    digests: digests.get(row.id as string) ?? [],
  }));
}

function lockNewLease(layout: Layout, purpose: string): { readonly id: string; readonly lock: FileLock } {
  try {
    for (;;) {
      const id = randomBytes(12).toString('hex');
      // gc may hold it for the moment in which it looks whether a file is litter.
      const lock = tryLock(layout.lease(id));
      if (lock !== undefined) return { id, lock };
    }
  } catch (error) {
    throw wrapStore(error, `cannot begin a ${purpose}`, layout.root);
  }
}

function insertDigests({ database }: Catalogue, id: string, digests: Iterable<Digest>): void {
  for (const digest of digests) database.run('INSERT OR IGNORE INTO lease_digest VALUES (?, ?)', id, digest);
}
