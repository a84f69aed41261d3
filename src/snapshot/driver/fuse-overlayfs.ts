import { mkdirSync } from 'node:fs';
import { removeTree } from '../../host/index.ts';
import { SnapshotError } from '../error.ts';
import type { Mount } from '../mount.ts';
import type { Usage } from '../snapshotter.ts';
import { withLower } from './below.ts';
import { measureUsage } from './disk-usage.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverFactory, DriverSnapshot } from './driver.ts';
import { Places } from './places.ts';
import { findBadPath, probeFuseOverlay } from './probe-fuse-overlay.ts';
import { makeRootDirectory } from './root-directory.ts';
import { readSettings } from './settings.ts';
import { syncPlace } from './sync-place.ts';

const form = 'fuse-overlayfs';

/**
 * Layers as directories, stacked by a program: for users whose kernel does not let them mount an overlay, and for filesystems that
 * it does not take as an upper. Places are as those of `overlayfs`.
 *
 * The mounts are those that containerd's snapshotter of that name makes, whose `mount.fuse3` starts the program: source `overlay`, the rest in options.
 * What has no parent is a bind mount, for the program marks every directory that is made in it as opaque, and put onto a parent later those would hide
 * it; so only `openTarget` keeps what a layer deletes of a parent that comes later. A view of a single layer is no bind mount: whiteouts
 * and markers in it are the program's to understand.
 */
class FuseOverlayDriver implements Driver {
  readonly name = 'fuse-overlayfs';
  readonly canRebase = true;
  readonly #places: Places;
  readonly #options: readonly string[];

  constructor(places: Places, options: readonly string[]) {
    this.#places = places;
    this.#options = options;
    mkdirSync(this.#empty, { recursive: true, mode: 0o755 });
  }

  async create({ id, kind, parents }: DriverSnapshot): Promise<void> {
    this.#places.make(id);
    if (kind === 'view') return;
    makeRootDirectory(this.#layer(id), parents[0] === undefined ? undefined : this.#layer(parents[0]));
    mkdirSync(this.#places.at(id, 'work'), { mode: 0o711 });
  }

  async mounts({ id, kind, parents }: DriverSnapshot): Promise<readonly Mount[]> {
    if (parents.length === 0) {
      const [source, access] = kind === 'view' ? [this.#empty, 'ro'] : [this.#layer(id), 'rw'];
      return [{ type: 'bind', source, options: [access, 'rbind'] }];
    }
    const lowers = parents.map(parent => this.#layer(parent));
    const upper = [`workdir=${this.#places.at(id, 'work')}`, `upperdir=${this.#layer(id)}`];
    const options = [...this.#options, ...(kind === 'view' ? ['ro'] : upper), `lowerdir=${lowers.join(':')}`];
    return [{ type: 'fuse3.fuse-overlayfs', source: 'overlay', options }];
  }

  async usage({ id }: DriverSnapshot): Promise<Usage> {
    return measureUsage(this.#layer(id));
  }

  async commit({ id }: DriverSnapshot): Promise<Usage> {
    await syncPlace(this.#layer(id));
    removeTree(this.#places.at(id, 'work'));
    return measureUsage(this.#layer(id));
  }

  async remove(id: number): Promise<void> {
    this.#places.remove(id);
  }

  async list(): Promise<readonly number[]> {
    return this.#places.list();
  }

  identify(mounts: readonly Mount[]): number | undefined {
    return this.#places.identify(mounts);
  }

  async openTarget({ id, parents }: DriverSnapshot): Promise<ApplyTarget> {
    return await withLower(await this.#below(id, parents), this.#places.root, lower => {
      return { path: this.#layer(id), form, below: lower };
    });
  }

  async openChanges({ id, parents }: DriverSnapshot): Promise<ChangeSource> {
    return await withLower(await this.#below(id, parents), this.#places.root, lower => {
      return { kind: 'upper', path: this.#layer(id), form, lower };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #below(id: number, parents: readonly number[]): Promise<readonly Mount[] | undefined> {
    return parents.length === 0 ? undefined : await this.mounts({ id, kind: 'view', parents });
  }

  #layer(id: number): string {
    return this.#places.at(id, 'fs');
  }

  get #empty(): string {
    return `${this.#places.root}/empty`;
  }
}

const known = { volatile: ['off', 'on'] } as const;

export const fuseOverlayfs: DriverFactory = {
  probe: ({ root }) => probeFuseOverlay(root),
  async open(options) {
    const bad = findBadPath(options.root);
    if (bad !== undefined) {
      throw new SnapshotError('invalid', bad.reason, { detail: { root: options.root }, hint: bad.hint });
    }
    const { volatile } = readSettings('fuse-overlayfs', options, known);
    return new FuseOverlayDriver(new Places(options.root), volatile === 'on' ? ['volatile'] : []);
  },
};
