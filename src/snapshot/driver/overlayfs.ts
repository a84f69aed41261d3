import { mkdirSync } from 'node:fs';
import { inUserNamespace, readXattrs, removeTree } from '../../host/index.ts';
import { adoptParents } from '../../layer/apply/index.ts';
import { byteString } from '../../tree/index.ts';
import type { Mount } from '../mount.ts';
import { escapePath } from '../overlay-options.ts';
import type { Usage } from '../snapshotter.ts';
import { withLower } from './below.ts';
import { measureUsage } from './disk-usage.ts';
import type {
  ApplyTarget,
  ChangeSource,
  Driver,
  DriverFactory,
  DriverOptions,
  DriverSnapshot,
} from './driver.ts';
import { Places } from './places.ts';
import { probeOverlay } from './probe-overlay.ts';
import { makeRootDirectory } from './root-directory.ts';
import { readSettings } from './settings.ts';
import { syncPlace } from './sync-place.ts';

/**
 * Layers as directories, stacked by the kernel. A snapshot has `ID/fs`, its upper directory, which once it is committed is a lower one of others, and
 * while it is active `ID/work` beside it.
 *
 * Options, and why: `index=off`, for a lower directory is shared by many uppers, which an index would take for a mistake. `redirect_dir=nofollow`:
 * a directory that is renamed is copied (programs do that on EXDEV), since a redirect means nothing in a layer, and one in a layer must steer nothing.
 * `metacopy=off`, for the same reason: a change of mode copies the file up. It can be turned on, and `diff` finds such files' contents below.
 *
 * A snapshot without a parent is an overlay over nothing, no bind mount: whoever applies a layer through its mounts then keeps what the
 * layer deletes, and it can be put onto a parent later.
 */
class OverlayDriver implements Driver {
  readonly name = 'overlayfs';
  readonly canRebase = true;
  readonly #places: Places;
  readonly #options: readonly string[];
  readonly #form: 'overlay' | 'overlay-user';

  constructor(places: Places, options: readonly string[], form: 'overlay' | 'overlay-user') {
    this.#places = places;
    this.#options = options;
    this.#form = form;
    mkdirSync(this.#empty, { recursive: true, mode: 0o755 });
  }

  async create({ id, kind, parents }: DriverSnapshot): Promise<void> {
    this.#places.make(id);
    if (kind === 'view') return;
    makeRootDirectory(this.#layer(id), parents[0] === undefined ? undefined : this.#layer(parents[0]));
    mkdirSync(this.#places.at(id, 'work'), { mode: 0o711 });
  }

  async mounts({ id, kind, parents }: DriverSnapshot): Promise<readonly Mount[]> {
    const isOpaque = kind !== 'view' && this.#hidesAll(id);
    const lowers = isOpaque ? [] : this.#lowersOf(parents);
    if (kind === 'view') {
      if (lowers.length === 0) return [{ type: 'bind', source: this.#empty, options: ['ro', 'rbind'] }];
      // Over nothing, for a layer as it lies there shows its whiteouts.
      return [this.#overlay('ro', this.#stack(lowers.length > 1 ? lowers : [...lowers, this.#empty]))];
    }
    const work = `workdir=${escapePath(this.#places.at(id, 'work'))}`;
    const upper = `upperdir=${escapePath(this.#layer(id))}`;
    return [this.#overlay(work, upper, this.#stack(lowers.length > 0 ? lowers : [this.#empty]))];
  }

  async usage({ id }: DriverSnapshot): Promise<Usage> {
    return measureUsage(this.#layer(id));
  }

  async commit({ id, parents, rebased }: DriverSnapshot): Promise<Usage> {
    if (rebased) await this.#adopt(id, parents);
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
      return { path: this.#layer(id), form: this.#form, below: lower };
    });
  }

  async openChanges({ id, parents }: DriverSnapshot): Promise<ChangeSource> {
    return await withLower(await this.#below(id, parents), this.#places.root, lower => {
      return { kind: 'upper', path: this.#layer(id), form: this.#form, lower };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Directories that the layer has without describing them are those below. */
  async #adopt(id: number, parents: readonly number[]): Promise<void> {
    await using target = await this.openTarget({ id, kind: 'active', parents });
    if (target.below !== undefined) await adoptParents(target, target.below);
  }

  /** What is below a snapshot, as a view of it shows it. */
  async #below(id: number, parents: readonly number[]): Promise<readonly Mount[] | undefined> {
    return parents.length === 0 ? undefined : await this.mounts({ id, kind: 'view', parents });
  }

  /** The kernel does not ask whether a root is opaque, so what is under one is left out. */
  #lowersOf(parents: readonly number[]): string[] {
    const lowest = parents.findIndex(parent => this.#hidesAll(parent));
    const seen = lowest < 0 ? parents : parents.slice(0, lowest + 1);
    return seen.map(parent => this.#layer(parent));
  }

  #hidesAll(id: number): boolean {
    const name = this.#form === 'overlay' ? 'trusted.overlay.opaque' : 'user.overlay.opaque';
    return readXattrs(byteString(this.#layer(id))).get(name)?.[0] === 0x79;
  }

  #overlay(...options: readonly string[]): Mount {
    return { type: 'overlay', source: 'overlay', options: [...this.#options, ...options] };
  }

  #stack(lowers: readonly string[]): string {
    return `lowerdir=${lowers.map(escapePath).join(':')}`;
  }

  #layer(id: number): string {
    return this.#places.at(id, 'fs');
  }

  get #empty(): string {
    return `${this.#places.root}/empty`;
  }
}

const known = {
  redirect_dir: ['nofollow', 'on'],
  metacopy: ['off', 'on'],
  volatile: ['off', 'on'],
  userxattr: ['auto', 'on', 'off'],
} as const;

export const overlayfs: DriverFactory = {
  probe: options => probeOverlay(options.root),
  async open(options: DriverOptions): Promise<Driver> {
    const { redirect_dir, metacopy, volatile, userxattr } = readSettings('overlayfs', options, known);
    const isUser = userxattr === 'auto' ? inUserNamespace() : userxattr === 'on';
    const mount = isUser ? ['userxattr'] : [`redirect_dir=${redirect_dir}`, `metacopy=${metacopy}`];
    if (volatile === 'on') mount.push('volatile');
    return new OverlayDriver(
      new Places(options.root),
      ['index=off', ...mount],
      isUser ? 'overlay-user' : 'overlay',
    );
  },
};
