import { identifyProcess, isRunning, type ProcessIdentity } from '../host/index.ts';
import { type Row, SnapshotDatabase } from './database.ts';
import type { DriverSnapshot } from './driver/driver.ts';
import { SnapshotError } from './error.ts';
import type { LabelChanges, Labels, SnapshotInfo, SnapshotKind, Usage } from './snapshotter.ts';

/** A snapshot as the database has it. */
export interface StoredSnapshot {
  readonly id: number;
  readonly info: SnapshotInfo;
  readonly usage: Usage | undefined;
}

/** What a process that is gone has left. */
export interface Abandoned {
  /** Whose place has to go, children before their parents. */
  readonly removed: readonly number[];
}

/** Whoever prepares a snapshot for a layer says with this label which chain of layers it will be, as containerd's unpacker does. */
export const layerLabel = 'containerd.io/snapshot.ref';

/** What this process makes or commits just now. */
const underway = new Set<string>();

/** The tree of snapshots, in a database. Every method is one transaction, and durable when it returns. SnapshotErrors as `Snapshotter` has them. */
export class Metadata implements Disposable {
  readonly #database: SnapshotDatabase;
  readonly #self = JSON.stringify(identifyProcess(process.pid));
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#database = new SnapshotDatabase(path);
  }

  /** `not-found` unless it is there, and seen. */
  find(key: string): StoredSnapshot {
    const row = this.#database.first(
      `SELECT ${columns} FROM snapshot s LEFT JOIN snapshot p ON p.id = s.parent WHERE s.key = ? AND s.state <> 'making'`,
      key,
    );
    if (row === undefined) throw notFound(key);
    return this.#read(row);
  }

  /** All that are seen, parents before their children. */
  list(): readonly StoredSnapshot[] {
    const rows = this.#database.all(
      `SELECT ${columns} FROM snapshot s LEFT JOIN snapshot p ON p.id = s.parent WHERE s.key IS NOT NULL AND s.state <> 'making' ORDER BY s.id`,
    );
    const parents = new Map(rows.map(row => [row.id as number, row.parent_id as number | null]));
    const depths = new Map<number, number>();
    const depthOf = (id: number): number => {
      const known = depths.get(id);
      if (known !== undefined) return known;
      const parent = parents.get(id);
      const depth = parent == null ? 0 : depthOf(parent) + 1;
      depths.set(id, depth);
      return depth;
    };
    // Only a rebase makes a parent younger than its child.
    return rows
      .toSorted((a, b) => depthOf(a.id as number) - depthOf(b.id as number))
      .map(row => this.#read(row));
  }

  /** As a driver is told of it. */
  describe(id: number, kind: SnapshotKind): DriverSnapshot {
    const parent = this.#database.first('SELECT parent FROM snapshot WHERE id = ?', id)?.parent;
    const isForLayer =
      this.#database.first('SELECT name FROM label WHERE snapshot = ? AND name = ?', id, layerLabel) !==
      undefined;
    return {
      ...{ id, kind, parents: this.chain(parent as number | null | undefined) },
      ...(isForLayer && { purpose: 'layer' }),
    };
  }

  /** The committed snapshot of this key and those below it, nearest first: what one that is based on it has as parents. */
  parentsOf(key: string): { readonly id: number; readonly chain: readonly number[] } {
    const { id, info } = this.find(key);
    if (info.kind !== 'committed') {
      throw new SnapshotError(
        'conflict',
        `${key} is ${describeKind(info.kind)}, and no committed snapshot, so it cannot be a parent`,
        {
          detail: { key, kind: info.kind },
          hint: 'commit it first',
        },
      );
    }
    return { id, chain: this.chain(id) };
  }

  /** This snapshot and those below it, nearest first. */
  chain(id: number | null | undefined): readonly number[] {
    if (id == null) return [];
    return this.#database
      .all(
        `WITH RECURSIVE up (id, parent, depth) AS (
           SELECT id, parent, 0 FROM snapshot WHERE id = ?
           UNION ALL SELECT s.id, s.parent, up.depth + 1 FROM snapshot s JOIN up ON s.id = up.parent)
         SELECT id FROM up ORDER BY depth`,
        id,
      )
      .map(row => row.id as number);
  }

  /** Takes the key for a snapshot that is being made. */
  begin(key: string, kind: 'active' | 'view', parent: string | undefined, labels: Labels): DriverSnapshot {
    return this.#database.write(() => {
      this.#requireFree(key);
      const below = parent === undefined ? undefined : this.parentsOf(parent);
      const now = Date.now();
      const { id } = this.#database.run(
        "INSERT INTO snapshot (key, kind, state, owner, parent, created, updated) VALUES (?, ?, 'making', ?, ?, ?, ?)",
        ...[key, kind, this.#self, below?.id ?? null, now, now],
      );
      this.#setLabels(id, labels);
      underway.add(this.#name(id));
      return this.describe(id, kind);
    });
  }

  /** What was being made is there. */
  finish(id: number): void {
    this.#database.write(() =>
      this.#database.run(
        "UPDATE snapshot SET state = 'ready', owner = NULL WHERE id = ? AND state = 'making'",
        id,
      ),
    );
    underway.delete(this.#name(id));
  }

  /** Takes `name` for an active snapshot that is being committed; with a `parent` for one that has none. */
  beginCommit(
    name: string,
    key: string,
    parent: string | undefined,
  ): DriverSnapshot & { readonly rebased: boolean } {
    return this.#database.write(() => {
      const { id, info } = this.find(key);
      if (info.kind !== 'active') {
        throw new SnapshotError(
          'conflict',
          `${key} is ${describeKind(info.kind)}, and only an active snapshot can be committed`,
          {
            detail: { key, kind: info.kind },
          },
        );
      }
      this.#release(key);
      const { state } = this.#database.first('SELECT state FROM snapshot WHERE id = ?', id)!;
      if (state !== 'ready') throw busy(key);
      this.#requireFree(name);
      const { purpose, ...described } = this.describe(id, 'active');
      let { parents } = described;
      const rebased = parent !== undefined && parent !== info.parent;
      if (rebased) {
        if (info.parent !== undefined) {
          throw new SnapshotError(
            'conflict',
            `${key} is based on ${info.parent} already, and cannot be put onto ${parent}`,
            {
              detail: { key, parent: info.parent, wanted: parent },
            },
          );
        }
        parents = this.parentsOf(parent).chain;
      }
      this.#database.run(
        "UPDATE snapshot SET state = 'committing', name = ?, owner = ? WHERE id = ?",
        name,
        this.#self,
        id,
      );
      underway.add(this.#name(id));
      return { id, kind: 'active', parents, purpose, rebased };
    });
  }

  /** It is committed: `name` is its key from now on. */
  finishCommit(
    id: number,
    {
      usage,
      labels,
      parent,
    }: { readonly usage: Usage; readonly labels: Labels; readonly parent: string | undefined },
  ): void {
    this.#database.write(() => {
      // The parent may have been removed meanwhile.
      const below = parent === undefined ? undefined : this.parentsOf(parent);
      const now = Date.now();
      const { changes } = this.#database.run(
        `UPDATE snapshot SET kind = 'committed', state = 'ready', key = name, name = NULL, owner = NULL, updated = ?, size = ?, inodes = ?,
           parent = coalesce(?, parent), created = ? WHERE id = ? AND state = 'committing'`,
        ...[now, usage.size, usage.inodes, below?.id ?? null, now, id],
      );
      if (changes === 0)
        throw new SnapshotError('conflict', 'the snapshot was removed while it was committed');
      this.#database.run('DELETE FROM label WHERE snapshot = ?', id);
      this.#setLabels(id, labels);
    });
    underway.delete(this.#name(id));
  }

  /** It stays active. Never throws. */
  cancelCommit(id: number): void {
    this.#giveUp(id, () =>
      this.#database.run(
        "UPDATE snapshot SET state = 'ready', name = NULL, owner = NULL WHERE id = ? AND state = 'committing'",
        id,
      ),
    );
  }

  /** Takes the key away; the place is to be cleared (`forget`). `conflict` if others are based on it. */
  remove(key: string): number {
    return this.#database.write(() => {
      this.#release(key);
      const { id } = this.find(key);
      const { state } = this.#database.first('SELECT state FROM snapshot WHERE id = ?', id)!;
      if (state !== 'ready') throw busy(key);
      const child = this.#database.first('SELECT key FROM snapshot WHERE parent = ? AND key IS NOT NULL', id);
      if (child !== undefined) {
        throw new SnapshotError('conflict', `${key} is the parent of ${child.key}, and cannot be removed`, {
          detail: { key, child: child.key },
          hint: 'remove what is based on it first',
        });
      }
      this.#discard(id);
      return id;
    });
  }

  /** What was being made came to nothing: its place is to be cleared. Never throws. */
  abandon(id: number): void {
    this.#giveUp(id, () => this.#discard(id));
  }

  /** Its place is cleared: nothing is left of it. */
  forget(id: number): void {
    this.#database.write(() =>
      this.#database.run("DELETE FROM snapshot WHERE id = ? AND state = 'removed'", id),
    );
  }

  /** Ids of all places that may be there. */
  ids(): ReadonlySet<number> {
    return new Set(this.#database.all('SELECT id FROM snapshot').map(row => row.id as number));
  }

  /** Frees what dead processes were at, and names the places that have to go, children before their parents. */
  abandoned(): Abandoned {
    return this.#database.write(() => {
      for (const row of this.#database.all('SELECT id, state, owner FROM snapshot WHERE owner IS NOT NULL'))
        this.#releaseRow(row);
      const rows = this.#database.all("SELECT id FROM snapshot WHERE state = 'removed' ORDER BY id DESC");
      return { removed: rows.map(row => row.id as number) };
    });
  }

  /** Whether something that was removed has this as its parent, and its place is not cleared yet. */
  hasRemains(id: number): boolean {
    return (
      this.#database.first("SELECT id FROM snapshot WHERE parent = ? AND state = 'removed'", id) !== undefined
    );
  }

  update(key: string, changes: LabelChanges, replace: boolean): StoredSnapshot {
    return this.#database.write(() => {
      const { id } = this.find(key);
      if (replace) this.#database.run('DELETE FROM label WHERE snapshot = ?', id);
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined)
          this.#database.run('DELETE FROM label WHERE snapshot = ? AND name = ?', id, name);
        else this.#setLabels(id, { [name]: value });
      }
      this.#database.run('UPDATE snapshot SET updated = ? WHERE id = ?', Date.now(), id);
      return this.find(key);
    });
  }

  get isOpen(): boolean {
    return this.#database.isOpen;
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }

  #requireFree(key: string): void {
    this.#release(key);
    const taken = this.#database.first('SELECT id FROM snapshot WHERE key = ? OR name = ?', key, key);
    if (taken === undefined) return;
    throw new SnapshotError('exists', `there is a snapshot ${key} already`, { detail: { key } });
  }

  /** If it cannot be written down, on a full disk or after closing, whoever finds the row puts it right: nobody is at it any more. */
  #giveUp(id: number, work: () => unknown): void {
    underway.delete(this.#name(id));
    try {
      if (this.isOpen) this.#database.write(work);
    } catch {
      // Why it was given up is what counts.
    }
  }

  /** Of a snapshot among those of all databases of this process. */
  #name(id: number): string {
    return `${this.#path}\0${id}`;
  }

  /** A dead process keeps no key. */
  #release(key: string): void {
    for (const row of this.#database.all(
      'SELECT id, state, owner FROM snapshot WHERE key = ? OR name = ?',
      key,
      key,
    )) {
      if (row.owner !== null) this.#releaseRow(row);
    }
  }

  #releaseRow({ id, state, owner }: Row): void {
    const isBusy =
      owner === this.#self
        ? underway.has(this.#name(id as number))
        : isRunning(JSON.parse(owner as string) as ProcessIdentity);
    if (isBusy) return;
    if (state === 'making') this.#discard(id as number);
    else
      this.#database.run(
        "UPDATE snapshot SET state = 'ready', name = NULL, owner = NULL WHERE id = ? AND state = 'committing'",
        id!,
      );
  }

  #discard(id: number): void {
    this.#database.run(
      "UPDATE snapshot SET state = 'removed', key = NULL, name = NULL, owner = NULL WHERE id = ?",
      id,
    );
    this.#database.run('DELETE FROM label WHERE snapshot = ?', id);
  }

  #setLabels(id: number, labels: Labels): void {
    for (const [name, value] of Object.entries(labels)) {
      this.#database.run(
        'INSERT OR REPLACE INTO label (snapshot, name, value) VALUES (?, ?, ?)',
        id,
        name,
        value,
      );
    }
  }

  #read(row: Row): StoredSnapshot {
    const id = row.id as number;
    const labels = this.#database.all('SELECT name, value FROM label WHERE snapshot = ? ORDER BY name', id);
    return {
      id,
      info: {
        key: row.key as string,
        kind: row.kind as SnapshotKind,
        parent: (row.parent as string | null) ?? undefined,
        labels: Object.fromEntries(labels.map(label => [label.name as string, label.value as string])),
        created: row.created as number,
        updated: row.updated as number,
      },
      usage: row.size === null ? undefined : { size: row.size as number, inodes: row.inodes as number },
    };
  }
}

const columns =
  's.id, s.key, s.kind, s.created, s.updated, s.size, s.inodes, s.parent AS parent_id, p.key AS parent';

export function describeKind(kind: SnapshotKind): string {
  return kind === 'view' ? 'a view' : kind;
}

function notFound(key: string): SnapshotError {
  return new SnapshotError('not-found', `there is no snapshot ${key}`, { detail: { key } });
}

function busy(key: string): SnapshotError {
  return new SnapshotError('unavailable', `${key} is just being committed`, {
    detail: { key },
    hint: 'try again',
  });
}
