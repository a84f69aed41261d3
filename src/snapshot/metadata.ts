import { identifyProcess, isRunning, type ProcessIdentity, type Row, readClock } from '../host/index.ts';
import { SnapshotDatabase } from './database.ts';
import type { DriverSnapshot } from './driver/driver.ts';
import { SnapshotError } from './error.ts';
import { describeKind, SnapshotTree, type StoredSnapshot } from './snapshot-tree.ts';
import type { LabelChanges, Labels, Usage } from './snapshotter.ts';

/** What a process that is gone has left. */
export interface Abandoned {
  /** Whose place has to go, children before their parents. */
  readonly removed: readonly number[];
}

/** What this process makes or commits just now. */
const underway = new Set<string>();

/** The tree of snapshots, as it changes. Every method is one transaction, and durable when it returns. SnapshotErrors as `Snapshotter` has them. */
export class Metadata extends SnapshotTree implements Disposable {
  readonly #database: SnapshotDatabase;
  readonly #self = JSON.stringify(identifyProcess(process.pid));
  readonly #path: string;

  constructor(path: string) {
    const database = new SnapshotDatabase(path);
    super(database);
    this.#path = path;
    this.#database = database;
  }

  /** Takes the key for a snapshot that is being made. */
  begin(key: string, kind: 'active' | 'view', parent: string | undefined, labels: Labels): DriverSnapshot {
    return this.#database.write(() => {
      this.#requireFree(key);
      const below = parent === undefined ? undefined : this.parentsOf(parent);
      const now = readClock();
      const id = this.#database.insert(
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
      const now = readClock();
      const changes = this.#database.run(
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
    return this.#database.writeToFree(() => {
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
    this.#database.writeToFree(() =>
      this.#database.run("DELETE FROM snapshot WHERE id = ? AND state = 'removed'", id),
    );
  }

  /** Frees what dead processes were at, and names the places that have to go, children before their parents. */
  abandoned(): Abandoned {
    return this.#database.writeToFree(() => {
      for (const row of this.#database.all('SELECT id, state, owner FROM snapshot WHERE owner IS NOT NULL'))
        this.#releaseRow(row);
      const rows = this.#database.all("SELECT id FROM snapshot WHERE state = 'removed' ORDER BY id DESC");
      return { removed: rows.map(row => row.id as number) };
    });
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
      this.#database.run('UPDATE snapshot SET updated = ? WHERE id = ?', readClock(), id);
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
}

function busy(key: string): SnapshotError {
  return new SnapshotError('unavailable', `${key} is just being committed`, {
    detail: { key },
    hint: 'try again',
  });
}
