import { existsSync, mkdirSync } from 'node:fs';
import type { LayerApplyOptions } from '../../apply.ts';
import type { Mount } from '../../mount.ts';
import type { Usage } from '../../snapshotter.ts';
import { measureFile, measureUsage } from '../disk-usage.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverName, DriverSnapshot, LayerFile } from '../driver.ts';
import type { ImageParts } from './image-parts.ts';
import { LayerIntake } from './layer-intake.ts';
import type { LayerPlaces } from './layer-places.ts';
import { MountUses } from './mount-uses.ts';
import { readOnlyMounts, writableMounts } from './overlay-mounts.ts';
import { PrivateMounts } from './private-mounts.ts';
import { unsealLayer } from './seal-layer.ts';

/** A driver whose committed snapshots are a file each. See the folder's `index.ts`. */
export class ImageDriver implements Driver {
  readonly canRebase = true;
  readonly layerForm = 'erofs-layer';
  readonly name: DriverName;
  readonly #parts: ImageParts;
  readonly #places: LayerPlaces;
  readonly #uses: MountUses;
  readonly #privately: PrivateMounts;
  readonly #intake: LayerIntake;

  constructor(parts: ImageParts) {
    const { name, places, mounts } = parts;
    this.name = name;
    this.#parts = parts;
    this.#places = places;
    this.#uses = new MountUses(places, mounts);
    this.#privately = new PrivateMounts(parts, this.#uses);
    this.#intake = new LayerIntake(parts, this.#privately);
    mkdirSync(places.empty, { recursive: true, mode: 0o755 });
  }

  async create({ id }: DriverSnapshot): Promise<void> {
    if (existsSync(this.#places.at(id))) await this.remove(id);
    this.#places.make(id);
  }

  async mounts(snapshot: DriverSnapshot): Promise<readonly Mount[]> {
    const { id, kind, purpose } = snapshot;
    const { uppers, lowers: usual, plainLowers } = this.#parts;
    const lowers = purpose === 'layer' ? plainLowers : usual;
    const chain = this.#places.chain(snapshot);
    // First: from here on nobody takes away what it needs.
    this.#places.writeUses(id, chain.length === 0 ? [] : lowers.places(chain));
    const directories = chain.length === 0 ? [] : await lowers.show(chain);
    await this.#uses.letGo();
    if (kind === 'view') return readOnlyMounts(directories, this.#places.empty);
    await uppers.ensure(snapshot);
    const own = { upper: this.#places.upper(id), work: uppers.work(id) };
    return writableMounts(own, directories, this.#places.empty);
  }

  async usage({ id, kind }: DriverSnapshot): Promise<Usage> {
    const layer = this.#measureLayer(id);
    if (kind === 'committed') return layer;
    const disk = measureFile(this.#places.disk(id));
    const upper =
      disk ?? (existsSync(this.#places.upper(id)) ? measureUsage(this.#places.upper(id)) : nothing);
    return { size: layer.size + upper.size, inodes: layer.inodes + upper.inodes };
  }

  async commit(snapshot: DriverSnapshot, signal?: AbortSignal): Promise<Usage> {
    const { id } = snapshot;
    await this.#intake.finish(snapshot, signal);
    await this.#uses.letGo();
    this.#uses.linger(id);
    return this.#measureLayer(id);
  }

  async remove(id: number): Promise<void> {
    if (!existsSync(this.#places.at(id))) return;
    const used = this.#places.letGo(id);
    await this.#parts.mounts.clear(this.#places.at(id));
    unsealLayer(this.#places.layer(id));
    this.#places.remove(id);
    await this.#uses.release(used);
    await this.#uses.letGo();
  }

  async list(): Promise<readonly number[]> {
    return this.#places.list();
  }

  identify(mounts: readonly Mount[]): number | undefined {
    return this.#places.identify(mounts);
  }

  async openTarget(snapshot: DriverSnapshot): Promise<ApplyTarget> {
    const { id } = snapshot;
    await this.#parts.uppers.ensure(snapshot);
    const below = await this.#privately.open(this.#places.chain(snapshot));
    return { path: this.#places.upper(id), form: 'overlay', below: below.path, ...closing(below) };
  }

  async openChanges(snapshot: DriverSnapshot): Promise<ChangeSource> {
    const { id, kind, parents } = snapshot;
    if (kind === 'active') await this.#parts.uppers.ensure(snapshot);
    const hasLayer = this.#places.hasLayer(id);
    const hasChanges = kind === 'active' && (!hasLayer || this.#places.hasChanges(id));
    await using stack = new AsyncDisposableStack();
    const lower = stack.use(await this.#privately.open(parents)).path;
    if (hasChanges && hasLayer) {
      const upper = this.#places.upper(id);
      const newer = stack.use(await this.#privately.open([id, ...parents], { upper })).path!;
      return { kind: 'directories', older: lower, newer, ...closing(stack.move()) };
    }
    const path = hasChanges ? this.#places.upper(id) : await this.#privately.openLayer(id, stack);
    if (path !== undefined) return { kind: 'upper', path, form: 'overlay', lower, ...closing(stack.move()) };
    const newer = stack.use(await this.#privately.open([id, ...parents])).path!;
    return { kind: 'directories', older: lower, newer, ...closing(stack.move()) };
  }

  async applyLayer(
    snapshot: DriverSnapshot,
    archive: AsyncIterable<Uint8Array>,
    options: LayerApplyOptions,
  ): Promise<void> {
    await this.#intake.apply(snapshot, archive, options);
  }

  async adoptLayer(snapshot: DriverSnapshot, file: LayerFile): Promise<void> {
    await this.#intake.adopt(snapshot, file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#uses.letGo();
  }

  #measureLayer(id: number): Usage {
    return measureFile(this.#places.layer(id)) ?? nothing;
  }
}

const nothing: Usage = { size: 0, inodes: 0 };

function closing(resource: AsyncDisposable): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => await resource[Symbol.asyncDispose]() };
}
