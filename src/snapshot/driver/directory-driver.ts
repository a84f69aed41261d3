import type { Mount } from '../mount.ts';
import type { Usage } from '../snapshotter.ts';
import { measureUsage } from './disk-usage.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverName, DriverSnapshot } from './driver.ts';
import type { Places } from './places.ts';
import { syncPlace } from './sync-place.ts';

/** How a directory that holds all layers together comes to be and goes, which is all that such drivers differ in. */
export interface DirectoryMaker {
  /** Makes `path`, with all that is in `parent` where there is one. */
  make(path: string, parent: string | undefined, signal?: AbortSignal): Promise<void>;
  /** Removes what `make` made, or a part of it; nothing there is success. */
  remove(path: string): Promise<void>;
  /** Sees to it that nothing in it changes any more, where that can be. */
  freeze?(path: string): Promise<void>;
  /** What `path` takes that it does not share with others. */
  measure?(path: string): Usage;
}

/** Snapshots as whole trees: `ID/fs` holds its own layer and all below, and is shown by a bind mount. */
export class DirectoryDriver implements Driver {
  readonly name: DriverName;
  /** What a layer deletes is deleted from a copy of its parent, so the parent must be there. */
  readonly canRebase = false;
  readonly #places: Places;
  readonly #maker: DirectoryMaker;

  constructor(name: DriverName, places: Places, maker: DirectoryMaker) {
    this.name = name;
    this.#places = places;
    this.#maker = maker;
  }

  async create({ id, parents }: DriverSnapshot, signal?: AbortSignal): Promise<void> {
    await this.remove(id);
    this.#places.make(id);
    const parent = parents[0];
    await this.#maker.make(this.#tree(id), parent === undefined ? undefined : this.#tree(parent), signal);
  }

  async mounts({ id, kind }: DriverSnapshot): Promise<readonly Mount[]> {
    return [{ type: 'bind', source: this.#tree(id), options: [kind === 'view' ? 'ro' : 'rw', 'rbind'] }];
  }

  async usage({ id }: DriverSnapshot): Promise<Usage> {
    return this.#measure(id);
  }

  async commit({ id }: DriverSnapshot): Promise<Usage> {
    await syncPlace(this.#tree(id));
    await this.#maker.freeze?.(this.#tree(id));
    return this.#measure(id);
  }

  async remove(id: number): Promise<void> {
    await this.#maker.remove(this.#tree(id));
    this.#places.remove(id);
  }

  async list(): Promise<readonly number[]> {
    return this.#places.list();
  }

  identify(mounts: readonly Mount[]): number | undefined {
    return this.#places.identify(mounts);
  }

  async openTarget({ id }: DriverSnapshot): Promise<ApplyTarget> {
    return { path: this.#tree(id), form: 'plain', below: undefined, async [Symbol.asyncDispose]() {} };
  }

  async openChanges({ id, parents }: DriverSnapshot): Promise<ChangeSource> {
    const older = parents[0] === undefined ? undefined : this.#tree(parents[0]);
    return { kind: 'directories', older, newer: this.#tree(id), async [Symbol.asyncDispose]() {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #measure(id: number): Usage {
    return (this.#maker.measure ?? measureUsage)(this.#tree(id));
  }

  #tree(id: number): string {
    return this.#places.at(id, 'fs');
  }
}
