import { SnapshotError } from '../error.ts';
import type { Mount } from '../mount.ts';
import { type OpenMounts, openMounts } from '../mounting.ts';
import type { Usage } from '../snapshotter.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverFactory, DriverSnapshot } from './driver.ts';
import type { Datasets } from './zfs/datasets.ts';
import { openDatasets } from './zfs/open.ts';
import { probeZfs } from './zfs/probe.ts';

/** Snapshots as datasets of ZFS, each a clone of its parent's: see `Datasets`. */
class ZfsDriver implements Driver {
  readonly name = 'zfs';
  /** A clone is made of its parent, which must be there before. */
  readonly canRebase = false;
  readonly #root: string;
  readonly #datasets: Datasets;

  constructor(root: string, datasets: Datasets) {
    this.#root = root;
    this.#datasets = datasets;
  }

  async create({ id, parents: [parent] }: DriverSnapshot): Promise<void> {
    const make = () => (parent === undefined ? this.#datasets.create(id) : this.#datasets.clone(id, parent));
    try {
      await make();
    } catch (error) {
      if (!(error instanceof SnapshotError) || error.code !== 'exists') throw error;
      // What a lost database has left there.
      await this.remove(id);
      await make();
    }
  }

  async mounts({ id, kind }: DriverSnapshot): Promise<readonly Mount[]> {
    return [mountOf(this.#datasets.name(id), kind !== 'active')];
  }

  async usage({ id, kind, parents }: DriverSnapshot): Promise<Usage> {
    if (kind === 'committed') return await this.#measure(this.#datasets.committedName(id), parents);
    await this.#datasets.sync();
    return await this.#measure(this.#datasets.name(id), parents);
  }

  async commit({ id, parents }: DriverSnapshot): Promise<Usage> {
    await this.#datasets.commit(id);
    return await this.#measure(this.#datasets.committedName(id), parents);
  }

  async remove(id: number): Promise<void> {
    await this.#datasets.destroy(id);
  }

  list(): Promise<readonly number[]> {
    return this.#datasets.list();
  }

  identify([mount]: readonly Mount[]): number | undefined {
    return mount?.type === 'zfs' ? this.#datasets.idOf(mount.source) : undefined;
  }

  async openTarget(snapshot: DriverSnapshot): Promise<ApplyTarget> {
    const mounted = await openMounts(await this.mounts(snapshot), this.#root);
    return {
      ...{ path: mounted.path, form: 'plain', below: undefined },
      async [Symbol.asyncDispose]() {
        mounted[Symbol.dispose]();
      },
    };
  }

  async openChanges(snapshot: DriverSnapshot): Promise<ChangeSource> {
    const { id, kind, parents } = snapshot;
    using stack = new DisposableStack();
    const older = parents[0] === undefined ? undefined : stack.use(await this.#openCommitted(parents[0]));
    const newer = stack.use(
      kind === 'committed'
        ? await this.#openCommitted(id)
        : await openMounts(await this.mounts(snapshot), this.#root),
    );
    const held = stack.move();
    return {
      ...{ kind: 'directories', older: older?.path, newer: newer.path },
      async [Symbol.asyncDispose]() {
        held.dispose();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #openCommitted(id: number): Promise<OpenMounts> {
    return await openMounts([mountOf(this.#datasets.committedName(id), true)], this.#root);
  }

  async #measure(name: string, [parent]: readonly number[]): Promise<Usage> {
    const size = await this.#datasets.written(name);
    const inodes = await this.#datasets.objects(name);
    if (parent === undefined) return { size, inodes };
    const below = await this.#datasets.objects(this.#datasets.committedName(parent));
    return { size, inodes: Math.max(0, inodes - below) };
  }
}

function mountOf(source: string, readOnly: boolean): Mount {
  return { type: 'zfs', source, options: readOnly ? ['ro'] : [] };
}

export const zfs: DriverFactory = {
  probe: probeZfs,
  async open(options) {
    return new ZfsDriver(options.root, await openDatasets(options));
  },
};
