import { mkdirSync } from 'node:fs';
import { removeTree, syncDirectory } from '../../host/index.ts';
import { adoptParents } from '../../layer/apply/index.ts';
import type { WhiteoutForm } from '../../layer/index.ts';
import type { Mount } from '../mount.ts';
import type { SnapshotKind, Usage } from '../snapshotter.ts';
import { withLower } from './below.ts';
import { measureUsage } from './disk-usage.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverName, DriverSnapshot } from './driver.ts';
import { type Feature, keepFeatures, markingFeatures, readFeatures } from './kept-features.ts';
import type { Places } from './places.ts';
import { makeRootDirectory } from './root-directory.ts';
import { syncPlace } from './sync-place.ts';

/** The directories of a snapshot that is to be shown, absolute. */
export interface StackedDirectories {
  readonly kind: SnapshotKind;
  /** Its own layer, and what an overlay works in; of a view neither is there. */
  readonly upper: string;
  readonly work: string;
  /** Nearest first; may be none. */
  readonly lowers: readonly string[];
  /** A directory with nothing in it. */
  readonly empty: string;
  /** What it was prepared with, and what its lowers were written with, as far as that is to be known to read them. */
  readonly features: readonly Feature[];
}

/** How directories are stacked, which is all that such drivers differ in. */
export interface Stacker {
  readonly form: Exclude<WhiteoutForm, 'plain'>;
  /** What snapshots get that are prepared now. */
  readonly features: readonly Feature[];
  show(directories: StackedDirectories): readonly Mount[];
}

/**
 * Layers as directories: a snapshot has `ID/fs`, its upper directory, which once it is committed is a lower one of others, and while it is
 * active `ID/work` beside it; and `ID/features`, if it was prepared with some, so that it and all on top of it are mounted with them.
 */
export class StackedDriver implements Driver {
  readonly name: DriverName;
  readonly canRebase = true;
  readonly #places: Places;
  readonly #stacker: Stacker;

  constructor(name: DriverName, places: Places, stacker: Stacker) {
    this.name = name;
    this.#places = places;
    this.#stacker = stacker;
    mkdirSync(this.#empty, { recursive: true, mode: 0o755 });
  }

  async create({ id, kind, parents, purpose }: DriverSnapshot): Promise<void> {
    this.#places.make(id);
    if (kind === 'view') return;
    makeRootDirectory(this.#layer(id), parents[0] === undefined ? undefined : this.#layer(parents[0]));
    mkdirSync(this.#work(id), { mode: 0o711 });
    // A layer of an image has no marks, so that what is on top of it is free to be mounted without.
    const wanted = this.#stacker.features.filter(
      feature => purpose === undefined || !markingFeatures.includes(feature),
    );
    if (wanted.length === 0) return;
    keepFeatures(this.#features(id), wanted);
    await syncDirectory(this.#places.at(id));
  }

  async mounts({ id, kind, parents }: DriverSnapshot): Promise<readonly Mount[]> {
    const lowers = parents.map(parent => this.#layer(parent));
    const own = { upper: this.#layer(id), work: this.#work(id) };
    const below = parents.flatMap(parent => readFeatures(this.#features(parent)));
    const features = new Set([
      ...readFeatures(this.#features(id)),
      ...below.filter(feature => markingFeatures.includes(feature)),
    ]);
    return this.#stacker.show({ kind, ...own, lowers, empty: this.#empty, features: [...features] });
  }

  async usage({ id }: DriverSnapshot): Promise<Usage> {
    return measureUsage(this.#layer(id));
  }

  async commit({ id, parents, rebased }: DriverSnapshot): Promise<Usage> {
    if (rebased) await this.#adopt(id, parents);
    await syncPlace(this.#layer(id));
    removeTree(this.#work(id));
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
      return { path: this.#layer(id), form: this.#stacker.form, below: lower };
    });
  }

  async openChanges({ id, parents }: DriverSnapshot): Promise<ChangeSource> {
    return await withLower(await this.#below(id, parents), this.#places.root, lower => {
      return { kind: 'upper', path: this.#layer(id), form: this.#stacker.form, lower };
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

  #layer(id: number): string {
    return this.#places.at(id, 'fs');
  }

  #work(id: number): string {
    return this.#places.at(id, 'work');
  }

  #features(id: number): string {
    return this.#places.at(id, 'features');
  }

  get #empty(): string {
    return `${this.#places.root}/empty`;
  }
}
