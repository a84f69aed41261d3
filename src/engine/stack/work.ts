import { truncateSync, writeFileSync } from 'node:fs';
import { Warnings } from '../../error/index.ts';
import { parallelism } from '../../host/index.ts';
import type { Content } from '../../merge/index.ts';
import type { Digest } from '../../oci/index.ts';
import { projectLayer } from '../../overlay/index.ts';
import type { ReadLayer } from '../../render/index.ts';
import { type LayerKeep, readLayers } from '../../render/read-layers.ts';
import type { ArtifactDraft, ArtifactKey, Store, StoredArtifact } from '../../store/index.ts';
import type { Tree } from '../../tree/index.ts';
import { verityBlockSize } from '../../verity/index.ts';
import { findIndexes, storeIndexes } from '../layer-index.ts';
import type { ImageOptions } from '../options.ts';
import type { OpenedImage } from '../source.ts';
import { checkSource } from './check-source.ts';
import { LayerDraft } from './layer-draft.ts';
import { type KeptLayer, type LayerFiles, type LayerForm, overlayXattrs } from './layer-form.ts';
import type { StackForm } from './request.ts';

/** Finds the files of a stack in the cache, and makes those that are not there, each alone and each once. */
export class StackWork implements AsyncDisposable {
  /** What a file leaves out: it is told of the image, once. */
  readonly untold = new Warnings();
  readonly #opened: OpenedImage;
  readonly #store: Store;
  readonly #drafts = new AsyncDisposableStack();
  /** By layer; kept for the overlay, which needs all of them. */
  readonly #projections: Tree<Content>[] = [];
  readonly #form: StackForm;
  /** Layers' files that were in the cache. */
  readonly #found = new Set<StoredArtifact>();
  readonly #indexes = new Map<Digest, StoredArtifact>();
  /** Layers' files on their way into the cache. */
  readonly #commits: Promise<StoredArtifact>[] = [];
  #made = 0;

  constructor(opened: OpenedImage, store: Store, form: StackForm) {
    this.#opened = opened;
    this.#store = store;
    this.#form = form;
  }

  /** How many files were made, and not found. */
  get made(): number {
    return this.#made;
  }

  /** A layer as OverlayFS sees it: a function of the layer alone. */
  projection(layer: number, { entries }: ReadLayer): Tree<Content> {
    const projected = this.#projections[layer] ?? projectLayer(entries, { layer, xattrs: overlayXattrs });
    if (this.#form.overlay) this.#projections[layer] = projected;
    return projected;
  }

  /**
   * The layers' indexes, and their files, by position. Those that are missing are made at once, as the layers arrive; when all were
   * read, some of the files may have yet to be hashed and stored.
   */
  async layers(
    form: LayerForm,
    options: Pick<ImageOptions, 'jobs' | 'memory'>,
  ): Promise<{ readonly read: readonly ReadLayer[]; readonly files: Promise<readonly StoredArtifact[]> }> {
    const { image, limits, warnings, signal, onProgress } = this.#opened;
    const { jobs, memory } = options;
    const files = new Map<Digest, StoredArtifact | Promise<StoredArtifact>>();
    const drafts = new Map<Digest, ArtifactDraft>();
    // Whoever waits for another's draft must not hold what that one waits for: so all take them in one order.
    for (const diffId of [...new Set(image.layers.map(layer => layer.diffId))].sort()) {
      const begun = await this.#begin(form.key(diffId), form.extension);
      if ('commit' in begun) drafts.set(diffId, begun);
      else {
        files.set(diffId, begun);
        this.#found.add(begun);
      }
    }
    const indexes = findIndexes(this.#store, image.layers, limits);
    // A layer that stands twice in the image is written by its first reader.
    const unclaimed = new Set(drafts.keys());
    const keep: (LayerKeep | undefined)[] = image.layers.map(({ diffId }) =>
      unclaimed.delete(diffId) ? form.keep(drafts.get(diffId)!.path) : undefined,
    );
    const kept = keep.map((target, layer) =>
      target === undefined
        ? undefined
        : this.#drafts.use(new LayerDraft(drafts.get(image.layers[layer]!.diffId)!)),
    );
    const read = await readLayers(image.layers, {
      ...{ jobs, memory, signal, limits, warnings, onProgress, keep },
      followers: Math.min(drafts.size, jobs ?? parallelism()),
      known: indexes.map((index, layer) => (keep[layer] === undefined ? index : undefined)),
      onKept: (layer, position) => kept[layer]?.advance(position),
      onRead: async (layer, result) => {
        const draft = kept[layer];
        if (draft === undefined) return;
        const { diffId } = image.layers[layer]!;
        const projection = () => this.projection(layer, result);
        const file = { diffId, path: draft.path, read: result, projection };
        const size = form.finish(file, this.untold);
        const commit = async () => {
          // Before the file is moved to its place, and while other layers are read.
          if (form.index !== undefined && this.#form.overlay) await this.#index(form.index, file);
          return await draft.commit(size, { head: form.head, digest: form.digest?.(file), signal });
        };
        const stored = commit();
        // Whoever waits for the files hears of it.
        stored.catch(() => {});
        this.#commits.push(stored);
        files.set(diffId, stored);
        this.#made += 1;
      },
    });
    await storeIndexes(this.#store, image.layers, read, limits);
    return { read, files: Promise.all(image.layers.map(({ diffId }) => files.get(diffId)!)) };
  }

  /** Before contents are copied out of a layer's file: what was made now is known to be right. */
  async check(file: StoredArtifact): Promise<void> {
    if (this.#found.delete(file)) await checkSource(file, this.#opened.signal);
  }

  /** What belongs to each layer: with its index where the form has one and the overlay is to mount it. */
  async indexes(
    { index }: LayerForm,
    layers: readonly KeptLayer[],
    files: readonly StoredArtifact[],
  ): Promise<LayerFiles[]> {
    const { overlay } = this.#form;
    if (index === undefined) return files.map(image => ({ image }));
    const images: (StoredArtifact | undefined)[] = [];
    for (const layer of overlay ? layers : []) {
      images.push(this.#indexes.get(layer.diffId) ?? (await this.#index(index, layer)));
    }
    return files.map((tar, layer) => ({ tar, ...(overlay && { image: images[layer]! }) }));
  }

  async #index(index: NonNullable<LayerForm['index']>, layer: KeptLayer): Promise<StoredArtifact> {
    const { diffId } = layer;
    const write = (path: string) => index.write(path, layer, this.untold);
    const file = await this.file(index.key(diffId), 'erofs', write);
    this.#indexes.set(diffId, file);
    return file;
  }

  /** The file of a key. `write` fills an empty one, and returns its size in bytes; zeros follow up to a whole block of dm-verity. */
  async file(
    key: ArtifactKey,
    extension: string,
    write: (path: string) => number | Promise<number>,
  ): Promise<StoredArtifact> {
    const begun = await this.#begin(key, extension);
    if (!('commit' in begun)) return begun;
    writeFileSync(begun.path, '');
    const size = Math.ceil((await write(begun.path)) / verityBlockSize) * verityBlockSize;
    truncateSync(begun.path, size);
    return await this.#commit(begun, size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // None goes on after whatever it needs is closed.
    await Promise.allSettled(this.#commits);
    await this.#drafts.disposeAsync();
  }

  async #begin(key: ArtifactKey, extension: string): Promise<ArtifactDraft | StoredArtifact> {
    const { signal } = this.#opened;
    const begun = await this.#store.beginArtifact(key, extension, { signal });
    return 'commit' in begun ? this.#drafts.use(begun) : begun;
  }

  async #commit(draft: ArtifactDraft, size: number): Promise<StoredArtifact> {
    const artifact = await draft.commit({ size, signal: this.#opened.signal });
    this.#made += 1;
    return artifact;
  }
}
