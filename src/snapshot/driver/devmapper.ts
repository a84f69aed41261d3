import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock } from '../../host/index.ts';
import { SnapshotError } from '../error.ts';
import type { Mount } from '../mount.ts';
import { openMounts } from '../mounting.ts';
import type { Usage } from '../snapshotter.ts';
import { baseDevice } from './devmapper/base.ts';
import { closeFilePool } from './devmapper/file-pool.ts';
import { mountOf, readSuperblock } from './devmapper/filesystem.ts';
import { type OpenPool, openPool } from './devmapper/open.ts';
import { probeDevmapper } from './devmapper/probe.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverFactory, DriverSnapshot } from './driver.ts';
import { syncPlace } from './sync-place.ts';

/**
 * Snapshots as block devices of a thin pool, each with a filesystem of its own: the device has the number of the snapshot. One that is made of another
 * shares its blocks. The device of an active snapshot, or of a view, is there from when its mounts are first asked for; that of a committed one
 * only as long as something is compared with it.
 */
class DevmapperDriver implements Driver {
  readonly name = 'devmapper';
  /** A filesystem is made of its parent's, block by block. */
  readonly canRebase = false;
  readonly #root: string;
  readonly #open: OpenPool;
  /** Shared by all that have the pool open: one on files goes with the last. */
  readonly #presence: Disposable | undefined;
  /** Of committed snapshots, which keep them. */
  readonly #inodes = new Map<number, number>();

  constructor(root: string, open: OpenPool) {
    this.#root = root;
    this.#open = open;
    this.#presence = tryLock(presenceFile(root), 'shared');
  }

  async create({ id, parents }: DriverSnapshot): Promise<void> {
    const { pool } = this.#open;
    const origin = parents[0] ?? baseDevice;
    await pool.requireSpace();
    // Nobody writes to a committed one, whose device is not even there: it need not be suspended.
    try {
      await pool.createSnapshot(id, origin);
    } catch (error) {
      if (!(error instanceof SnapshotError) || error.code !== 'conflict') throw error;
      // What a lost database has left there.
      await this.remove(id);
      await pool.createSnapshot(id, origin);
    }
  }

  async mounts({ id, kind }: DriverSnapshot): Promise<readonly Mount[]> {
    const device = await this.#open.devices.activate(id);
    return [mountOf(device, readSuperblock(device).type, kind)];
  }

  async usage({ id, kind, parents }: DriverSnapshot): Promise<Usage> {
    const { devices } = this.#open;
    if (kind !== 'active') {
      await using device = await devices.borrow(id);
      return await this.#measure(id, parents, readSuperblock(device.path).inodes);
    }
    const device = await devices.activate(id);
    const inodes = (await devices.isOpen(id)) ? await this.#sync(id) : readSuperblock(device).inodes;
    return await this.#measure(id, parents, inodes);
  }

  async commit({ id, parents }: DriverSnapshot): Promise<Usage> {
    const { devices } = this.#open;
    await devices.activate(id);
    // Mounted once more: what its journal still has comes to its place, so that nobody has to write to it ever again.
    const inodes = await this.#sync(id);
    await devices.flush(id);
    await devices.deactivate(id);
    this.#inodes.set(id, inodes);
    return await this.#measure(id, parents, inodes);
  }

  async remove(id: number): Promise<void> {
    const { pool, devices, files } = this.#open;
    await devices.deactivate(id);
    if (files !== undefined) await devices.discard(id);
    await pool.deleteDevice(id);
    this.#inodes.delete(id);
  }

  async list(): Promise<readonly number[]> {
    return (await this.#open.pool.devices()).filter(id => id !== baseDevice);
  }

  identify(mounts: readonly Mount[]): number | undefined {
    const [mount] = mounts;
    return mount && this.#open.devices.idOf(mount.source);
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
    await using stack = new AsyncDisposableStack();
    const older =
      parents[0] === undefined ? undefined : stack.use(await this.#openCommitted(parents[0])).path;
    const newer = stack.use(
      kind === 'committed'
        ? await this.#openCommitted(id)
        : await openMounts(await this.mounts(snapshot), this.#root),
    );
    const held = stack.move();
    return {
      ...{ kind: 'directories', older, newer: newer.path },
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pool, files } = this.#open;
    this.#presence?.[Symbol.dispose]();
    if (files === undefined) return;
    using alone = tryLock(presenceFile(this.#root));
    if (alone !== undefined) await closeFilePool(pool.name, files);
  }

  /** The device goes by itself when it is unmounted. */
  async #openCommitted(id: number): Promise<Disposable & { readonly path: string }> {
    await using device = await this.#open.devices.borrow(id);
    const mount = mountOf(device.path, readSuperblock(device.path).type, 'committed');
    return await openMounts([mount], this.#root);
  }

  /** Writes what a filesystem has not yet written to its device; the result is how many inodes are in use. */
  async #sync(id: number): Promise<number> {
    using mounted = await openMounts(await this.mounts({ id, kind: 'active', parents: [] }), this.#root);
    await syncPlace(mounted.path);
    const { files, ffree } = statfsSync(mounted.path);
    return files - ffree;
  }

  async #measure(id: number, [parent = baseDevice]: readonly number[], inodes: number): Promise<Usage> {
    const before = await this.#inodesOf(parent);
    const size = await this.#open.pool.difference(parent, id);
    return { size, inodes: Math.max(0, inodes - before) };
  }

  /** In use in a committed snapshot, all that is below it included. */
  async #inodesOf(id: number): Promise<number> {
    if (id === baseDevice) return this.#open.base.inodes;
    const known = this.#inodes.get(id);
    if (known !== undefined) return known;
    await using device = await this.#open.devices.borrow(id);
    const { inodes } = readSuperblock(device.path);
    this.#inodes.set(id, inodes);
    return inodes;
  }
}

const presenceFile = (root: string) => join(root, 'presence.lock');

export const devmapper: DriverFactory = {
  probe: probeDevmapper,
  async open(options) {
    return new DevmapperDriver(options.root, await openPool(options));
  },
};
