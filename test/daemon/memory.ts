import { SnapshotError } from '../../src/snapshot/error.ts';
import type { Mount } from '../../src/snapshot/mount.ts';
import type {
  CommitOptions,
  LabelChanges,
  Labels,
  SnapshotInfo,
  SnapshotKind,
  SnapshotOptions,
  Snapshotter,
  Usage,
} from '../../src/snapshot/snapshotter.ts';

interface Entry {
  kind: SnapshotKind;
  parent: string | undefined;
  labels: Labels;
  created: number;
  updated: number;
}

/** A snapshotter's rules without any contents; the order in which it lists is that in which snapshots were made. */
export class MemorySnapshotter implements Snapshotter {
  readonly entries = new Map<string, Entry>();
  /** What was asked for, by method, with what was given. */
  readonly asked: (readonly unknown[])[] = [];
  /** Awaited by `prepare`, so that a test can hold it up. */
  gate: (() => Promise<unknown>) | undefined;
  signal: AbortSignal | undefined;

  #find(key: string): Entry {
    const entry = this.entries.get(key);
    if (entry === undefined)
      throw new SnapshotError('not-found', `there is no snapshot ${key}`, { hint: 'look' });
    return entry;
  }

  #info(key: string): SnapshotInfo {
    return { key, ...this.#find(key) };
  }

  #create(key: string, kind: SnapshotKind, parent: string | undefined, labels: Labels = {}): Mount[] {
    if (this.entries.has(key)) throw new SnapshotError('exists', `there is a snapshot ${key}`);
    if (parent !== undefined && this.#find(parent).kind !== 'committed') {
      throw new SnapshotError('conflict', `${parent} is not committed`);
    }
    const now = Date.now();
    this.entries.set(key, { kind, parent, labels, created: now, updated: now });
    return [this.#mount(key)];
  }

  #mount(key: string): Mount {
    const access = this.#find(key).kind === 'view' ? 'ro' : 'rw';
    return { type: 'bind', source: `/snapshots/${key}`, options: ['rbind', access] };
  }

  async stat(key: string): Promise<SnapshotInfo> {
    return this.#info(key);
  }

  async update(
    key: string,
    labels: LabelChanges,
    options: { replace?: boolean } = {},
  ): Promise<SnapshotInfo> {
    this.asked.push(['update', key, labels, options]);
    const entry = this.#find(key);
    const all = { ...(options.replace ? {} : entry.labels), ...labels };
    entry.labels = Object.fromEntries(
      Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    entry.updated = Date.now();
    return this.#info(key);
  }

  async usage(key: string): Promise<Usage> {
    this.#find(key);
    return { size: 5_000_000_000, inodes: 3 };
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    if (this.#find(key).kind === 'committed') throw new SnapshotError('conflict', `${key} is committed`);
    return [this.#mount(key)];
  }

  async prepare(key: string, parent: string | undefined, { labels, signal }: SnapshotOptions = {}) {
    this.signal = signal;
    await this.gate?.();
    return this.#create(key, 'active', parent, labels);
  }

  async view(key: string, parent: string | undefined, { labels }: SnapshotOptions = {}) {
    return this.#create(key, 'view', parent, labels);
  }

  async commit(name: string, key: string, { labels = {}, parent }: CommitOptions = {}): Promise<void> {
    this.asked.push(['commit', name, key, labels, parent]);
    const entry = this.#find(key);
    if (entry.kind !== 'active') throw new SnapshotError('conflict', `${key} is not active`);
    if (this.entries.has(name)) throw new SnapshotError('exists', `there is a snapshot ${name}`);
    this.entries.delete(key);
    this.entries.set(name, { ...entry, kind: 'committed', labels, parent: parent ?? entry.parent });
  }

  async remove(key: string): Promise<void> {
    this.#find(key);
    if ([...this.entries.values()].some(({ parent }) => parent === key)) {
      throw new SnapshotError('conflict', `${key} has children`);
    }
    this.entries.delete(key);
  }

  async *walk(): AsyncIterable<SnapshotInfo> {
    for (const key of this.entries.keys()) yield this.#info(key);
  }

  async cleanup(): Promise<void> {
    this.asked.push(['cleanup']);
  }

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}
