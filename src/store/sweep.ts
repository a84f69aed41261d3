import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isLocked, tryLock } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import { findBlob } from './blob.ts';
import { type Candidate, taken, temporary, treeBytes } from './candidate.ts';
import type { Catalogue } from './catalogue.ts';
import { findDigest, type Layout, listNames } from './layout.ts';
import type { Marks } from './mark.ts';
import { sweepArtifacts } from './sweep-artifacts.ts';
import { sweepInitramfs } from './sweep-initramfs.ts';
import type { Trash } from './trash.ts';

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
  yield* sweepArtifacts(catalogue, marks, now);
  yield* sweepInitramfs(layout, now);
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
