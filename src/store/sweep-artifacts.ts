import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { isLocked, tryLock } from '../host/index.ts';
import { listArtifacts, type StoredArtifact } from './artifact.ts';
import { type Candidate, diskBytes, taken, temporary, treeBytes } from './candidate.ts';
import type { Catalogue } from './catalogue.ts';
import { draftPrefix } from './draft-directory.ts';
import { type Layout, listNames } from './layout.ts';
import type { Marks } from './mark.ts';
import { requireRemovable } from './seal.ts';
import type { Trash } from './trash.ts';
import { listVerity, veritySuffix } from './verity.ts';
import { isWarmDraft, isWarmUsed, takeWarm } from './warm.ts';

/** What decides over an artifact, and so over all that was made of it. */
type Fate = Pick<Candidate, 'kept' | 'changed'>;

/** Artifacts, their hash trees, and the directories that were made of them. */
export function* sweepArtifacts(catalogue: Catalogue, marks: Marks, now: number): Generator<Candidate> {
  const { layout } = catalogue;
  const artifacts = listArtifacts(catalogue);
  // Before the first is removed: its tree and its directories go with it, in a dry run too.
  const fates = new Map(artifacts.map(artifact => [artifact.key, fateOf(artifact, marks)]));
  const drafts = listNames(layout.artifacts).filter(name => name.startsWith(draftPrefix));
  for (const name of drafts) yield* sweepDraft(layout, join(layout.artifacts, name), marks);
  yield* sweepLocks(layout);
  yield* sweepFiles(catalogue, artifacts, fates);
  yield* sweepWarm(layout, fates, now);
}

function fateOf({ path, manifest, diffId, created }: StoredArtifact, marks: Marks): Fate {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  // Its file is gone, by whatever accident.
  if (stats === undefined) return { kept: undefined, changed: created.getTime() };
  const reason = manifest === undefined ? marks.layers.get(diffId) : marks.manifests.get(manifest);
  const kept = reason?.replace(/^referenced by/, manifest === undefined ? 'of a layer of' : 'artifact of');
  return { kept, changed: stats.mtimeMs };
}

function* sweepDraft(layout: Layout, path: string, marks: Marks): Generator<Candidate> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const lease = path.slice(path.lastIndexOf(draftPrefix) + draftPrefix.length);
  const reason = marks.leases.get(lease);
  // Nobody resumes it: of one whose process is dead nothing is kept.
  const live = reason !== undefined && isLocked(layout.lease(lease));
  yield {
    ...{ kind: 'temporary', name: path.slice(layout.root.length + 1), bytes: treeBytes(path) },
    ...{ changed: stats.mtimeMs, kept: live ? reason : undefined, remove: trash => taken(trash, path) },
  };
}

function isLockName(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.lock');
}

/** Whoever holds one takes it away in the end, unless its process dies. */
function* sweepLocks(layout: Layout): Generator<Candidate> {
  for (const name of listNames(layout.artifacts)) {
    if (!isLockName(name)) continue;
    const path = layout.artifact(name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || isLocked(path)) continue;
    const remove = (): boolean => {
      const lock = tryLock(path);
      lock?.remove();
      return lock !== undefined;
    };
    yield {
      ...{ kind: 'temporary', name: `artifacts/${name}`, bytes: 0 },
      ...{ changed: stats.mtimeMs, kept: undefined, remove },
    };
  }
}

function* sweepFiles(
  catalogue: Catalogue,
  artifacts: readonly StoredArtifact[],
  fates: ReadonlyMap<string, Fate>,
): Generator<Candidate> {
  const { layout, database } = catalogue;
  const rows = new Map<string, { readonly table: 'artifact' | 'verity'; readonly key: string }>();
  for (const { path, key } of artifacts) rows.set(path, { table: 'artifact', key });
  for (const { path, key } of listVerity(catalogue)) rows.set(path, { table: 'verity', key });
  for (const name of listNames(layout.artifacts)) {
    if (name.startsWith(draftPrefix) || isLockName(name)) continue;
    const path = layout.artifact(name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    const row = rows.get(path);
    rows.delete(path);
    const fate = row && fates.get(row.key);
    const remove = (trash: Trash): boolean => {
      if (row === undefined) return taken(trash, path);
      // Now, while the row is there: it would outlive a file that cannot be removed.
      requireRemovable(path);
      trash.orphans.push(name);
      database.run(`DELETE FROM ${row.table} WHERE key = ?`, row.key);
      return true;
    };
    yield {
      kind: row?.table ?? (name.endsWith(veritySuffix) ? 'verity' : 'artifact'),
      ...{ name: `artifacts/${name}`, bytes: stats.size, remove },
      ...{ changed: fate?.changed ?? stats.mtimeMs, kept: fate?.kept },
    };
  }
  // Their files are gone, by whatever accident.
  for (const [path, { table, key }] of rows) {
    const remove = () => database.run(`DELETE FROM ${table} WHERE key = ?`, key) > 0;
    const name = path.slice(layout.root.length + 1);
    const changed = fates.get(key)?.changed ?? 0;
    yield { kind: table, name, bytes: 0, changed, kept: undefined, remove };
  }
}

function* sweepWarm(layout: Layout, fates: ReadonlyMap<string, Fate>, now: number): Generator<Candidate> {
  for (const key of listNames(layout.warm)) {
    for (const name of listNames(join(layout.warm, key))) {
      const path = join(layout.warm, key, name);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      const inUse = isWarmUsed(path) ? 'it is in use' : undefined;
      const shared = { bytes: diskBytes(path), remove: (trash: Trash) => takeWarm(path, trash) };
      if (isWarmDraft(name)) {
        const draft = temporary(layout, path, stats, now);
        yield { ...draft, ...shared, kept: inUse ?? draft.kept };
        continue;
      }
      const fate = fates.get(key);
      yield {
        ...{ kind: 'warm', name: `warm/${key}/${name}`, ...shared },
        ...{ changed: fate?.changed ?? stats.mtimeMs, kept: inUse ?? fate?.kept },
      };
    }
  }
}
