import { lstatSync, rmSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { isLocked, tryLock } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import { draftPrefix, listArtifacts } from './artifact.ts';
import { findBlob } from './blob.ts';
import type { Catalogue } from './catalogue.ts';
import { findDigest, type Layout, listNames } from './layout.ts';
import type { Marks } from './mark.ts';
import type { Trash } from './trash.ts';

export type StoredKind = 'blob' | 'ingest' | 'index' | 'artifact' | 'lease' | 'temporary';

/** One thing in the cache, and what is to become of it. */
export interface Candidate {
  readonly kind: StoredKind;
  /** A digest where it has one, else the path below the root. */
  readonly name: string;
  /** What it takes on the disk. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
  /** Why it stays; `undefined` if nothing needs it. */
  readonly kept: string | undefined;
  /** What to do if it goes: false if that turned out to be impossible, for somebody has just taken it. */
  readonly remove: (trash: Trash) => boolean;
}

/** How long a file may lie about that no lock belongs to, in milliseconds: writing one takes seconds. */
const temporaryLife = 60 * 60 * 1000;

/** Everything that lies below the root and can go; inside a transaction. */
export function* sweep(catalogue: Catalogue, marks: Marks, now: number): Generator<Candidate> {
  const { layout } = catalogue;
  // First, before this one puts anything there: what a gc that was killed has left. It is emptied in any case.
  for (const name of listNames(layout.trash)) {
    const bytes = treeBytes(join(layout.trash, name));
    yield {
      kind: 'temporary',
      name: `trash/${name}`,
      bytes,
      changed: 0,
      kept: undefined,
      remove: () => true,
    };
  }
  yield* sweepLeases(catalogue, marks);
  yield* sweepDigests(layout, layout.blobs, 'blob', marks.blobs, now);
  yield* sweepIngests(layout, marks, now);
  yield* sweepDigests(layout, layout.layers, 'index', marks.layers, now);
  yield* sweepArtifacts(catalogue, marks);
  yield* sweepTemporaries(layout, layout.root, /^\..*\.tmp$|^shale\.db\.(?:new|damaged)/, now);
}

function* sweepLeases({ layout, database }: Catalogue, marks: Marks): Generator<Candidate> {
  for (const { id, purpose, touched } of marks.expired) {
    const remove = (): boolean => {
      database.run('DELETE FROM lease WHERE id = ?', id);
      rmSync(layout.lease(id), { force: true });
      return true;
    };
    yield { kind: 'lease', name: purpose, bytes: 0, changed: touched.getTime(), kept: undefined, remove };
  }
  for (const name of listNames(layout.leases)) {
    const path = layout.lease(name);
    // One whose row is about to be written is locked already.
    if (marks.leases.has(name) || marks.expired.some(({ id }) => id === name) || isLocked(path)) continue;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    const remove = (): boolean => {
      const lock = tryLock(path);
      lock?.remove();
      return lock !== undefined;
    };
    yield {
      kind: 'temporary',
      name: `leases/${name}`,
      bytes: 0,
      changed: stats.mtimeMs,
      kept: undefined,
      remove,
    };
  }
}

function* sweepDigests(
  layout: Layout,
  directory: string,
  kind: 'blob' | 'index',
  reasons: ReadonlyMap<string, string>,
  now: number,
): Generator<Candidate> {
  for (const algorithm of listNames(directory)) {
    for (const hex of listNames(join(directory, algorithm))) {
      const digest = findDigest(`${algorithm}:${hex}`);
      const path = join(directory, algorithm, hex);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      if (digest === undefined) {
        yield temporary(layout, path, stats, now);
        continue;
      }
      const kept = reasons.get(digest);
      yield {
        kind,
        name: digest,
        bytes: stats.size,
        changed: stats.mtimeMs,
        kept,
        remove: trash => taken(trash, path),
      };
    }
  }
}

function* sweepIngests(layout: Layout, marks: Marks, now: number): Generator<Candidate> {
  const found = new Map<Digest, { bytes: number; changed: number }>();
  for (const name of listNames(layout.ingests)) {
    const path = join(layout.ingests, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    const [, algorithm, hex] = /^([a-z0-9]+)-([0-9a-f]+)\.(?:part|state|lock)$/.exec(name) ?? [];
    const digest = findDigest(`${algorithm}:${hex}`);
    if (digest === undefined) {
      yield temporary(layout, path, stats, now);
      continue;
    }
    const { bytes, changed } = found.get(digest) ?? { bytes: 0, changed: 0 };
    // Blocks, not length: a partial download has holes.
    found.set(digest, { bytes: bytes + stats.blocks * 512, changed: Math.max(changed, stats.mtimeMs) });
  }
  for (const [digest, { bytes, changed }] of found) {
    const { part, state, lock: lockPath } = layout.ingest(digest);
    // Of a blob that has come to its place, a process that died left the rest.
    const needed = findBlob(layout, digest) === undefined ? marks.blobs.get(digest) : undefined;
    const kept = isLocked(lockPath) ? 'it is being fetched' : needed;
    const remove = (trash: Trash): boolean => {
      const lock = tryLock(lockPath);
      if (lock === undefined) return false;
      try {
        trash.take(state);
        trash.take(part);
      } finally {
        lock.remove();
      }
      return true;
    };
    yield { kind: 'ingest', name: digest, bytes, changed, kept, remove };
  }
}

function* sweepArtifacts(catalogue: Catalogue, marks: Marks): Generator<Candidate> {
  const { layout, database } = catalogue;
  const rows = new Map(listArtifacts(catalogue).map(artifact => [artifact.path, artifact]));
  for (const name of listNames(layout.artifacts)) {
    const path = layout.artifact(name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    const shared = { name: `artifacts/${name}`, changed: stats.mtimeMs };
    if (name.startsWith(draftPrefix)) {
      const kept = marks.leases.get(name.slice(draftPrefix.length));
      // Nobody resumes a render: of one whose process is dead nothing is kept.
      const live = kept !== undefined && isLocked(layout.lease(name.slice(draftPrefix.length)));
      const remove = (trash: Trash) => taken(trash, path);
      yield { kind: 'temporary', bytes: treeBytes(path), kept: live ? kept : undefined, remove, ...shared };
      continue;
    }
    const row = rows.get(path);
    rows.delete(path);
    const why = row && marks.manifests.get(row.manifest);
    const remove = (trash: Trash): boolean => {
      if (row === undefined) return taken(trash, path);
      trash.orphans.push(name);
      return database.run('DELETE FROM artifact WHERE key = ?', row.key) > 0;
    };
    const kept = why?.replace(/^referenced by/, 'artifact of');
    yield { kind: 'artifact', bytes: stats.size, kept, remove, ...shared };
  }
  // Their files are gone, by whatever accident.
  for (const { key, path, created } of rows.values()) {
    const name = path.slice(layout.root.length + 1);
    const remove = () => database.run('DELETE FROM artifact WHERE key = ?', key) > 0;
    yield { kind: 'artifact', name, bytes: 0, changed: created.getTime(), kept: undefined, remove };
  }
}

function* sweepTemporaries(
  layout: Layout,
  directory: string,
  pattern: RegExp,
  now: number,
): Generator<Candidate> {
  for (const name of listNames(directory)) {
    if (!pattern.test(name)) continue;
    const stats = lstatSync(join(directory, name), { throwIfNoEntry: false });
    if (stats !== undefined) yield temporary(layout, join(directory, name), stats, now);
  }
}

function temporary(layout: Layout, path: string, stats: Stats, now: number): Candidate {
  const kept =
    stats.mtimeMs + temporaryLife > now ? 'it may be in use: it is younger than an hour' : undefined;
  const name = path.slice(layout.root.length + 1);
  return {
    kind: 'temporary',
    name,
    bytes: stats.size,
    changed: stats.mtimeMs,
    kept,
    remove: trash => taken(trash, path),
  };
}

function taken(trash: Trash, path: string): true {
  trash.take(path);
  return true;
}

function treeBytes(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.size;
  return listNames(path).reduce((sum, name) => sum + treeBytes(join(path, name)), 0);
}
