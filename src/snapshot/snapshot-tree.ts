import type { Row } from '../host/index.ts';
import type { SnapshotDatabase } from './database.ts';
import type { DriverSnapshot } from './driver/driver.ts';
import { SnapshotError } from './error.ts';
import type { SnapshotInfo, SnapshotKind, Usage } from './snapshotter.ts';

/** A snapshot as the database has it. */
export interface StoredSnapshot {
  readonly id: number;
  readonly info: SnapshotInfo;
  readonly usage: Usage | undefined;
}

/** Whoever prepares a snapshot for a layer says with this label which chain of layers it will be, as containerd's unpacker does. */
export const layerLabel = 'containerd.io/snapshot.ref';

/** The tree of snapshots, as it is read. SnapshotErrors as `Snapshotter` has them. */
export class SnapshotTree {
  readonly #database: SnapshotDatabase;

  constructor(database: SnapshotDatabase) {
    this.#database = database;
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

  /** Ids of all places that may be there. */
  ids(): ReadonlySet<number> {
    return new Set(this.#database.all('SELECT id FROM snapshot').map(row => row.id as number));
  }

  /** Whether something that was removed has this as its parent, and its place is not cleared yet. */
  hasRemains(id: number): boolean {
    return (
      this.#database.first("SELECT id FROM snapshot WHERE parent = ? AND state = 'removed'", id) !== undefined
    );
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
        created: (row.created as number) / 1000,
        updated: (row.updated as number) / 1000,
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
