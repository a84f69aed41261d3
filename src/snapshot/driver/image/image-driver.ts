import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { isErrno, ShaleError, Warnings, wrapErrno } from '../../../error/index.ts';
import { adoptParents } from '../../../layer/apply/index.ts';
import { createLimits, decodeIndex, encodeIndex } from '../../../layer/index.ts';
import { parseDigest } from '../../../oci/index.ts';
import type { LayerApplyOptions } from '../../apply.ts';
import { SnapshotError } from '../../error.ts';
import type { Mount } from '../../mount.ts';
import { type OpenMounts, openMounts } from '../../mounting.ts';
import { escapePath } from '../../overlay-options.ts';
import type { Usage } from '../../snapshotter.ts';
import { measureUsage } from '../disk-usage.ts';
import type { ApplyTarget, ChangeSource, Driver, DriverName, DriverSnapshot, LayerFile } from '../driver.ts';
import { foldLayers } from './fold.ts';
import type { ImageMounts } from './image-mounts.ts';
import type { LayerPlaces } from './layer-places.ts';
import type { LowerDirectories } from './lower-directories.ts';
import { withoutMarks } from './markers.ts';
import { openLayer } from './open-layer.ts';
import { readUpper } from './read-upper.ts';
import { writeTarLayer } from './resolve.ts';
import { type SealWish, sealLayer, unsealLayer } from './seal-layer.ts';
import { settle, sync } from './settle.ts';
import { create, extractTar, type StoredContents } from './tar-layer.ts';
import type { UpperDirectories } from './upper-directory.ts';
import { type LayerSource, type ReadableContent, writeLayer } from './write-layer.ts';

export interface ImageDriverOptions {
  readonly name: DriverName;
  readonly places: LayerPlaces;
  readonly mounts: ImageMounts;
  readonly uppers: UpperDirectories;
  /** How layers are shown in mounts. */
  readonly lowers: LowerDirectories;
  /** The same where only layers are made or read, and `lowers` would cost more than it gains. */
  readonly plainLowers: LowerDirectories;
  /** Each layer as it is, with its whiteouts; `unsupported` where the kernel cannot show it. */
  readonly layers: LowerDirectories;
  readonly seal: SealWish;
}

/** As the driver overlayfs has them, and for the same reasons. */
const overlayOptions = ['index=off', 'redirect_dir=nofollow', 'metacopy=off'];

/** A driver whose committed snapshots are a file each. See the folder's `index.ts`. */
export class ImageDriver implements Driver {
  readonly canRebase = true;
  readonly layerForm = 'erofs-layer';
  readonly name: DriverName;
  readonly #options: ImageDriverOptions;
  readonly #places: LayerPlaces;
  /** Committed, and not yet let go. */
  readonly #lingering = new Set<number>();
  #hasLookedBack = false;

  constructor(options: ImageDriverOptions) {
    this.name = options.name;
    this.#options = options;
    this.#places = options.places;
    mkdirSync(this.#empty, { recursive: true, mode: 0o755 });
  }

  async create({ id }: DriverSnapshot): Promise<void> {
    if (existsSync(this.#places.at(id))) await this.remove(id);
    this.#places.make(id);
  }

  async mounts(snapshot: DriverSnapshot): Promise<readonly Mount[]> {
    const { id, kind, purpose } = snapshot;
    const lowers = purpose === 'layer' ? this.#options.plainLowers : this.#options.lowers;
    const chain = this.#chain(snapshot);
    // First: from here on nobody takes away what it needs.
    this.#places.writeUses(id, chain.length === 0 ? [] : lowers.places(chain));
    const directories = chain.length === 0 ? [] : await lowers.show(chain);
    await this.#letGo();
    if (kind === 'view') return this.#show(directories);
    await this.#ensureUpper(snapshot);
    const options = [
      `workdir=${escapePath(this.#options.uppers.work(id))}`,
      `upperdir=${escapePath(this.#places.upper(id))}`,
      this.#stack(directories),
    ];
    return [{ type: 'overlay', source: 'overlay', options: [...overlayOptions, ...options] }];
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
    const { id, parents, rebased } = snapshot;
    // What shows the layer alone must not pass for what shows it on its parents.
    if (rebased) await this.#withdraw(id);
    await this.#resolve(snapshot);
    const isBottom = parents.length === 0;
    await this.#settleUpper(snapshot, { isBottom, signal });
    await sync(this.#places.layer(id));
    await this.#options.uppers.discard(id);
    await sealLayer(this.#places.layer(id), this.#options.seal, signal);
    await this.#letGo();
    this.#places.linger(id);
    this.#lingering.add(id);
    return this.#measureLayer(id);
  }

  async remove(id: number): Promise<void> {
    if (!existsSync(this.#places.at(id))) return;
    const used = this.#places.letGo(id);
    await this.#options.mounts.clear(this.#places.at(id));
    unsealLayer(this.#places.layer(id));
    this.#places.remove(id);
    await this.#release(used);
    await this.#letGo();
  }

  async list(): Promise<readonly number[]> {
    return this.#places.list();
  }

  identify(mounts: readonly Mount[]): number | undefined {
    return this.#places.identify(mounts);
  }

  async openTarget(snapshot: DriverSnapshot): Promise<ApplyTarget> {
    const { id } = snapshot;
    await this.#ensureUpper(snapshot);
    const below = await this.#open(this.#chain(snapshot));
    return { path: this.#places.upper(id), form: 'overlay', below: below.path, ...closing(below) };
  }

  async openChanges(snapshot: DriverSnapshot): Promise<ChangeSource> {
    const { id, kind, parents } = snapshot;
    if (kind === 'active') await this.#ensureUpper(snapshot);
    const hasLayer = this.#places.hasLayer(id);
    const hasChanges = kind === 'active' && (!hasLayer || this.#places.hasChanges(id));
    await using stack = new AsyncDisposableStack();
    const lower = stack.use(await this.#open(parents)).path;
    if (hasChanges && hasLayer) {
      const upper = this.#places.upper(id);
      const newer = stack.use(await this.#open([id, ...parents], { upper })).path!;
      return { kind: 'directories', older: lower, newer, ...closing(stack.move()) };
    }
    const path = hasChanges ? this.#places.upper(id) : await this.#openLayer(id, stack);
    if (path !== undefined) return { kind: 'upper', path, form: 'overlay', lower, ...closing(stack.move()) };
    const newer = stack.use(await this.#open([id, ...parents])).path!;
    return { kind: 'directories', older: lower, newer, ...closing(stack.move()) };
  }

  async applyLayer(
    snapshot: DriverSnapshot,
    archive: AsyncIterable<Uint8Array>,
    { warnings = new Warnings(), limits, created, signal }: LayerApplyOptions,
  ): Promise<void> {
    const { id } = snapshot;
    const layer = this.#places.layer(id);
    await this.#mountDisk(snapshot);
    if (this.#places.hasChanges(id)) await this.#settleUpper(snapshot, { isBottom: false, signal });
    // What was not written to has a root that knows nothing of the layer's.
    await this.#options.uppers.discard(id);
    const draft = this.#places.at(id, 'tar.new');
    const contents = await extractTar(draft, archive, { warnings, limits: createLimits(limits), signal });
    const chain = this.#chain(snapshot).map(each => this.#places.layer(each));
    const lowers = chain.length === 0 ? 'unknown' : chain;
    const { isFinal } = writeTarLayer(draft, contents, lowers, { warnings, created });
    if (this.#places.hasLayer(id)) {
      await this.#fold(snapshot, draft, signal);
      rmSync(draft);
      return;
    }
    rmSync(this.#places.index(id), { force: true });
    if (!isFinal) this.#keepContents(id, contents);
    renameSync(draft, layer);
  }

  async adoptLayer(snapshot: DriverSnapshot, { path }: LayerFile): Promise<void> {
    const { id } = snapshot;
    await this.#mountDisk(snapshot);
    if (this.#places.hasLayer(id) || this.#places.hasChanges(id)) {
      throw new SnapshotError(
        'conflict',
        `snapshot ${id} has contents already, and takes no layer as a whole`,
        {
          detail: { id, path },
        },
      );
    }
    // Looked at first: what is no layer must not become one.
    openLayer(path)[Symbol.dispose]();
    await this.#options.uppers.discard(id);
    const draft = this.#places.at(id, 'layer.new');
    rmSync(draft, { force: true });
    try {
      linkOrCopy(path, draft);
      renameSync(draft, this.#places.layer(id));
    } catch (error) {
      throw wrapErrno(error, `cannot take ${path} as a layer`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#letGo();
  }

  /**
   * Those that were committed last need their parents no more. Not at once: whoever unpacks an image makes the next layer on top, and to take
   * mounts away and bring them back takes longer than all else. The first time those are looked for that a process has left which is gone.
   */
  async #letGo(): Promise<void> {
    const lingering = this.#hasLookedBack
      ? [...this.#lingering]
      : this.#places.list().filter(id => this.#places.isLingering(id));
    this.#hasLookedBack = true;
    this.#lingering.clear();
    await this.#release([...new Set(lingering.flatMap(id => this.#places.letGo(id)))]);
  }

  /** The layers that show below what is written, the snapshot's own among them if it has one. */
  #chain({ id, kind, parents }: DriverSnapshot): readonly number[] {
    return kind !== 'view' && this.#places.hasLayer(id) ? [id, ...parents] : parents;
  }

  async #ensureUpper(snapshot: DriverSnapshot): Promise<void> {
    const { id, purpose } = snapshot;
    await this.#options.uppers.ensure(id, this.#chain(snapshot)[0], { isBrief: purpose === 'layer' });
  }

  /** What is on an active snapshot's disk can be seen, if it has one. */
  async #mountDisk(snapshot: DriverSnapshot): Promise<void> {
    if (existsSync(this.#places.disk(snapshot.id))) await this.#ensureUpper(snapshot);
  }

  /** An applied layer that was unpacked without its parents: they have their say now. Can be done again after a crash. */
  async #resolve({ id, parents }: DriverSnapshot): Promise<void> {
    const index = this.#places.index(id);
    const contents = this.#places.hasLayer(id) ? this.#readContents(id) : undefined;
    if (contents !== undefined) {
      await this.#withdraw(id);
      const lowers = parents.map(parent => this.#places.layer(parent));
      writeTarLayer(this.#places.layer(id), contents, lowers, { warnings: new Warnings() });
      await sync(this.#places.layer(id));
    }
    rmSync(index, { force: true });
  }

  /** Brings what was written into the layer's file. The upper directory is still there afterwards; doing it again changes nothing. */
  async #settleUpper(
    snapshot: DriverSnapshot,
    { isBottom, signal }: { readonly isBottom: boolean; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const { id, parents, rebased } = snapshot;
    const hasLayer = this.#places.hasLayer(id);
    await this.#mountDisk(snapshot);
    if (hasLayer && !this.#places.hasChanges(id)) return;
    if (!hasLayer) await this.#ensureUpper(snapshot);
    if (rebased) {
      await using below = await this.#open(parents);
      const target = { path: this.#places.upper(id), form: 'overlay' } as const;
      if (below.path !== undefined) await adoptParents(target, below.path, { signal });
    }
    const source = await readUpper(this.#places.upper(id), { signal });
    using below = hasLayer ? openLayer(this.#places.layer(id)) : undefined;
    const tree = below ? foldLayers<ReadableContent>(source.tree, below.tree()) : source.tree;
    // What is at the bottom deletes nothing, and may be seen alone.
    await this.#write(id, { tree: isBottom ? withoutMarks(tree) : tree }, signal);
  }

  /** Puts the layer in the file `upper` on top of the one that is there. */
  async #fold({ id }: DriverSnapshot, upper: string, signal: AbortSignal | undefined): Promise<void> {
    using above = openLayer(upper);
    using below = openLayer(this.#places.layer(id));
    const tree = foldLayers<ReadableContent>(above.tree(), below.tree());
    await this.#write(id, { tree }, signal);
  }

  async #write(id: number, source: LayerSource, signal: AbortSignal | undefined): Promise<void> {
    const draft = this.#places.at(id, 'layer.new');
    create(draft);
    await writeLayer(draft, source, { warnings: new Warnings(), signal });
    await this.#withdraw(id);
    await settle(draft, this.#places.layer(id));
  }

  /** The layer's file is going to be another: nothing that shows it may stay. */
  async #withdraw(id: number): Promise<void> {
    const { lowers, plainLowers, mounts } = this.#options;
    unsealLayer(this.#places.layer(id));
    const targets = [...lowers.ownPlaces(id), ...plainLowers.ownPlaces(id)];
    await mounts.release(() => targets, { lazily: true });
    lowers.forget(id);
  }

  #keepContents(id: number, { entries, diffId }: StoredContents): void {
    const bytes = Buffer.concat([Buffer.from(`${diffId}\n`), encodeIndex({ entries })]);
    writeFileSync(this.#places.index(id), bytes, { mode: 0o600 });
  }

  #readContents(id: number): StoredContents | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#places.index(id));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw wrapErrno(error, `cannot read ${this.#places.index(id)}`);
    }
    const line = bytes.indexOf('\n');
    const { entries } = decodeIndex(bytes.subarray(line + 1));
    return { entries, diffId: parseDigest(bytes.toString('latin1', 0, line)) };
  }

  /** Layers as one directory, for this process alone and until it is disposed; with `upper` on top of them. */
  async #open(
    chain: readonly number[],
    {
      upper,
      by = this.#options.plainLowers,
    }: { readonly upper?: string; readonly by?: LowerDirectories } = {},
  ): Promise<Opened> {
    if (chain.length === 0) return { path: undefined, async [Symbol.asyncDispose]() {} };
    const { mounts } = this.#options;
    let opened: OpenMounts | undefined;
    while (opened === undefined) {
      const directories = await by.show(chain);
      const all = upper === undefined ? directories : [upper, ...directories];
      opened = await openMounts(this.#show(all), this.#places.root);
      // Named by nobody's `uses`, they may have been taken away just before; what is open stays.
      if (mounts.areMounted(directories)) break;
      opened[Symbol.dispose]();
      opened = undefined;
    }
    await this.#release(by.places(chain));
    return {
      path: opened.path,
      async [Symbol.asyncDispose]() {
        opened[Symbol.dispose]();
      },
    };
  }

  /** A layer's file as a directory, as long as `stack` is not disposed; `undefined` where the kernel shows none. */
  async #openLayer(id: number, stack: AsyncDisposableStack): Promise<string | undefined> {
    try {
      return stack.use(await this.#open([id], { by: this.#options.layers })).path;
    } catch (error) {
      if (error instanceof ShaleError && error.code === 'unsupported') return undefined;
      throw error;
    }
  }

  #show(directories: readonly string[]): readonly Mount[] {
    if (directories.length < 2) {
      return [{ type: 'bind', source: directories[0] ?? this.#empty, options: ['ro', 'rbind'] }];
    }
    return [
      { type: 'overlay', source: 'overlay', options: [...overlayOptions, 'ro', this.#stack(directories)] },
    ];
  }

  #stack(directories: readonly string[]): string {
    const all = directories.length > 0 ? directories : [this.#empty];
    return `lowerdir=${all.map(escapePath).join(':')}`;
  }

  /** Unmounts what is mounted in these places, unless somebody says that he uses it. */
  async #release(targets: readonly string[]): Promise<void> {
    if (targets.length > 0) await this.#options.mounts.release(() => this.#places.findUnused(targets));
  }

  #measureLayer(id: number): Usage {
    return measureFile(this.#places.layer(id)) ?? nothing;
  }

  get #empty(): string {
    return `${this.#places.root}/empty`;
  }
}

type Opened = AsyncDisposable & { readonly path: string | undefined };

const nothing: Usage = { size: 0, inodes: 0 };

function closing(resource: AsyncDisposable): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => await resource[Symbol.asyncDispose]() };
}

function measureFile(path: string): Usage | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { size: stat.blocks * 512, inodes: 1 };
}

/** One file under two names costs nothing; where that cannot be, blocks are shared if the filesystem can do that. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL + constants.COPYFILE_FICLONE);
  }
}
