import { hash } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { type FileLock, throwIfAborted, tryLock, waitForLock } from '../host/index.ts';
import { applyLayer, type LayerApplyOptions } from './apply.ts';
import type { ChangeSource, Driver, LayerFile } from './driver/driver.ts';
import { SnapshotError } from './error.ts';
import { Metadata } from './metadata.ts';
import type { Mount } from './mount.ts';
import { clearScratch } from './mounting.ts';
import type { StoredSnapshot } from './snapshot-tree.ts';
import type {
  CommitOptions,
  LabelChanges,
  SnapshotInfo,
  SnapshotOptions,
  Snapshotter,
  Usage,
} from './snapshotter.ts';

/**
 * The one implementation of `Snapshotter`: names and their tree in a database (`Metadata`), contents with a driver. The database says first what is
 * to be, then the driver does it, then the database says that it is done; so a crash leaves a row that tells what to clear up, and never a place
 * without one. Several processes may have the same directory open.
 */
export class Snapshots implements Snapshotter {
  readonly driver: Driver;
  readonly #metadata: Metadata;

  readonly #root: string;

  private constructor(root: string, driver: Driver, metadata: Metadata) {
    this.#root = root;
    this.driver = driver;
    this.#metadata = metadata;
  }

  /** Opens what is in `root`, the directory that the driver has, too. The driver is ours from here on, also if this throws. */
  static async open(root: string, driver: Driver): Promise<Snapshots> {
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 });
      return new Snapshots(root, driver, new Metadata(join(root, 'metadata.db')));
    } catch (error) {
      await driver[Symbol.asyncDispose]();
      throw wrapErrno(error, `cannot open the snapshots in ${root}`);
    }
  }

  /** What there is in `root`, parents before their children, without its driver: that may be one that cannot be used here. */
  static list(root: string): readonly SnapshotInfo[] {
    using metadata = new Metadata(join(root, 'metadata.db'));
    return metadata.list().map(({ info }) => info);
  }

  async stat(key: string): Promise<SnapshotInfo> {
    return this.#open().find(key).info;
  }

  async update(
    key: string,
    labels: LabelChanges,
    { replace = false }: { readonly replace?: boolean } = {},
  ): Promise<SnapshotInfo> {
    return this.#open().update(key, labels, replace).info;
  }

  async usage(key: string): Promise<Usage> {
    const { id, info, usage } = this.#open().find(key);
    if (usage !== undefined) return usage;
    if (info.kind === 'view') return { size: 0, inodes: 0 };
    try {
      return await this.driver.usage(this.#metadata.describe(id, info.kind));
    } catch (error) {
      // Was it removed while it was measured, it is not there.
      this.#open().find(key);
      throw error;
    }
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    const found = this.#open().find(key);
    if (found.info.kind !== 'committed') return await this.driver.mounts(this.#describe(found));
    throw new SnapshotError('conflict', `${key} is committed, and has no mounts of its own`, {
      detail: { key },
      hint: 'prepare a snapshot or a view of it',
    });
  }

  prepare(key: string, parent: string | undefined, options: SnapshotOptions = {}): Promise<readonly Mount[]> {
    return this.#make('active', key, parent, options);
  }

  view(key: string, parent: string | undefined, options: SnapshotOptions = {}): Promise<readonly Mount[]> {
    return this.#make('view', key, parent, options);
  }

  async commit(name: string, key: string, options: CommitOptions = {}): Promise<void> {
    const { labels = {}, signal } = options;
    throwIfAborted(signal);
    requireKey(name);
    const snapshot = this.#open().beginCommit(name, key, options.parent);
    const { rebased } = snapshot;
    const parent = rebased ? options.parent : undefined;
    try {
      if (rebased && !this.driver.canRebase) {
        throw new SnapshotError('unsupported', `${this.driver.name} cannot put ${key} onto another parent`, {
          detail: { driver: this.driver.name, key, parent: options.parent },
          hint: 'prepare it with its parent',
        });
      }
      const usage = await this.driver.commit(snapshot, signal);
      this.#open().finishCommit(snapshot.id, { usage, labels, parent });
    } catch (error) {
      this.#metadata.cancelCommit(snapshot.id);
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    const { id } = this.#open().find(key);
    // What was removed above it goes first: some drivers cannot remove it otherwise.
    if (this.#metadata.hasRemains(id)) await this.cleanup();
    await this.#clear(this.#metadata.remove(key));
  }

  async *walk(): AsyncIterable<SnapshotInfo> {
    for (const { info } of this.#open().list()) yield info;
  }

  async cleanup(): Promise<void> {
    // Asked before the rows are read: what is made from now on has a row by then.
    const places = (await this.driver.list?.()) ?? [];
    clearScratch(this.#root);
    for (const name of readdirSync(this.#root))
      if (nameLock.test(name)) tryLock(join(this.#root, name))?.remove();
    // One that cannot be cleared, since something is mounted in it, keeps nobody from clearing the others.
    const failures: unknown[] = [];
    let pending: readonly number[] = this.#open().abandoned().removed;
    for (let before = 0; pending.length > 0 && pending.length !== before; ) {
      before = pending.length;
      for (const id of pending)
        if (!this.#metadata.hasRemains(id)) await this.#clear(id).catch(error => failures.push(error));
      pending = this.#metadata.abandoned().removed;
    }
    const known = this.#metadata.ids();
    for (const id of places)
      if (!known.has(id)) await this.driver.remove(id).catch(error => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  async close(): Promise<void> {
    this.#metadata[Symbol.dispose]();
    await this.driver[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Held by whoever makes something that is to be committed as `name`: others wait, so that it is made once. To be removed. HostErrors.
   */
  lockName(name: string, signal?: AbortSignal): Promise<FileLock> {
    return waitForLock(join(this.#root, `${hash('sha256', name)}.lock`), { signal });
  }

  /**
   * Applies a layer (its uncompressed archive, read to its end) to an active snapshot: what it deletes is kept in the driver's own form, whether
   * or not there is a parent to delete it from. After a failure the snapshot is fit for removal only.
   */
  async apply(
    key: string,
    archive: AsyncIterable<Uint8Array>,
    options: LayerApplyOptions = {},
  ): Promise<void> {
    const found = this.#open().find(key);
    if (found.info.kind !== 'active') {
      throw new SnapshotError('conflict', `${key} is not active, so no layer can be applied to it`, {
        detail: { key },
      });
    }
    await applyLayer(this.driver, this.#describe(found), archive, options);
  }

  /**
   * Has an active snapshot take a whole layer that is a file in the driver's own form (`Driver.adoptLayer`). `unsupported` if the driver keeps layers otherwise.
   */
  async adopt(key: string, file: LayerFile): Promise<void> {
    const found = this.#open().find(key);
    if (found.info.kind !== 'active') {
      throw new SnapshotError('conflict', `${key} is not active, so it takes no layer`, { detail: { key } });
    }
    const { driver } = this;
    if (driver.adoptLayer === undefined) {
      throw new SnapshotError('unsupported', `the driver ${driver.name} does not keep layers as files`, {
        detail: { driver: driver.name, key },
        hint: 'apply the layer',
      });
    }
    await driver.adoptLayer(this.#describe(found), file);
  }

  /** What a snapshot has changed against its parents; to be disposed. */
  async openChanges(key: string): Promise<ChangeSource> {
    return await this.driver.openChanges(this.#describe(this.#open().find(key)));
  }

  /** The key of the snapshot that these mounts are of, or `undefined` if they are none of ours. */
  identify(mounts: readonly Mount[]): string | undefined {
    const id = this.driver.identify(mounts);
    return id === undefined
      ? undefined
      : this.#open()
          .list()
          .find(each => each.id === id)?.info.key;
  }

  async #make(
    kind: 'active' | 'view',
    key: string,
    parent: string | undefined,
    { labels = {}, signal }: SnapshotOptions,
  ): Promise<readonly Mount[]> {
    throwIfAborted(signal);
    requireKey(key);
    const snapshot = this.#open().begin(key, kind, parent, labels);
    try {
      await this.driver.create(snapshot, signal);
      const mounts = await this.driver.mounts(snapshot);
      throwIfAborted(signal);
      this.#open().finish(snapshot.id);
      return mounts;
    } catch (error) {
      this.#metadata.abandon(snapshot.id);
      // What cannot be cleared now is cleared by `cleanup`; why it failed is what counts.
      if (this.#metadata.isOpen) await this.#clear(snapshot.id).catch(() => {});
      throw error;
    }
  }

  async #clear(id: number): Promise<void> {
    await this.driver.remove(id);
    this.#metadata.forget(id);
  }

  #describe({ id, info }: StoredSnapshot) {
    return this.#metadata.describe(id, info.kind);
  }

  #open(): Metadata {
    if (this.#metadata.isOpen) return this.#metadata;
    throw new SnapshotError('unavailable', 'the snapshotter is closed');
  }
}

/** A file of `lockName`. */
const nameLock = /^[0-9a-f]{64}\.lock$/;

function requireKey(key: string): void {
  if (key !== '' && !key.includes('\0')) return;
  throw new SnapshotError('invalid', `${JSON.stringify(key)} is no name for a snapshot`, { detail: { key } });
}
