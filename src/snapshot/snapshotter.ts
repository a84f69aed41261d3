import type { Mount } from './mount.ts';

/**
 * What a snapshot is for: an *active* one is being written to, a *view* is only read; a *committed* one never changes again, and
 * is the only kind that may be a parent.
 */
export type SnapshotKind = 'active' | 'view' | 'committed';

export type Labels = Readonly<Record<string, string>>;

export interface SnapshotInfo {
  /** Its name: active and committed snapshots share one namespace. */
  readonly key: string;
  readonly kind: SnapshotKind;
  /** The committed snapshot that it is based on; `undefined` of one that began empty. */
  readonly parent: string | undefined;
  readonly labels: Labels;
  /** Milliseconds since 1970, to the microsecond. */
  readonly created: number;
  readonly updated: number;
}

/** What a snapshot takes of the disk by itself, its parents not counted. */
export interface Usage {
  /** Bytes, as the filesystem has allotted them. */
  readonly size: number;
  readonly inodes: number;
}

export interface SnapshotOptions {
  readonly labels?: Labels | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CommitOptions extends SnapshotOptions {
  /**
   * Puts what was prepared without a parent onto this one (containerd's *rebase*), so that layers can be applied all at once.
   * What the layer deletes was kept while it was applied.
   */
  readonly parent?: string | undefined;
}

/** Which labels an update touches: all that are not named stay. `undefined` removes a label. */
export type LabelChanges = Readonly<Record<string, string | undefined>>;

/**
 * Snapshots of a filesystem as containerd defines them (its package core/snapshots): a tree of committed snapshots, with active ones and
 * views as leaves. Nothing here knows of images or layers.
 *
 *     prepare(key, parent) ─► mounts ─► … written … ─► commit(name, key) ─► name may be a parent
 *     view(key, parent)    ─► mounts, read-only     ─► remove(key)
 *
 * Methods reject with SnapshotError: `not-found` for a key or parent that is not there, `exists` for one that is, `conflict` (containerd's
 * *failed precondition*) for a parent that is not committed, for removing one that has children, for committing what is not active. Each
 * is atomic: after a crash it was done, or it was not, and what is left of one that was not goes with `cleanup`.
 */
export interface Snapshotter extends AsyncDisposable {
  stat(key: string): Promise<SnapshotInfo>;
  /** Changes labels, nothing else; `replace` drops those that are not named. */
  update(key: string, labels: LabelChanges, options?: { readonly replace?: boolean }): Promise<SnapshotInfo>;
  /** Of an active snapshot measured now, of a committed one as it was when it was committed; a view uses nothing. */
  usage(key: string): Promise<Usage>;
  /** Of an active snapshot or a view; `conflict` of a committed one. The same after a restart, whatever was unmounted meanwhile. */
  mounts(key: string): Promise<readonly Mount[]>;
  prepare(key: string, parent: string | undefined, options?: SnapshotOptions): Promise<readonly Mount[]>;
  view(key: string, parent: string | undefined, options?: SnapshotOptions): Promise<readonly Mount[]>;
  /** The active snapshot `key` becomes the committed `name`; `key` is free again. Labels are the new ones alone. */
  commit(name: string, key: string, options?: CommitOptions): Promise<void>;
  /** Of whatever kind; `conflict` while others are based on it. */
  remove(key: string): Promise<void>;
  /** All, parents before their children. */
  walk(): AsyncIterable<SnapshotInfo>;
  /** Removes what crashes and `remove` have left. */
  cleanup(): Promise<void>;
  /** Nothing may be asked of it any more; what is mounted stays mounted. */
  close(): Promise<void>;
}
