import { renameSync, rmSync } from 'node:fs';
import { Warnings } from '../../../error/index.ts';
import { adoptParents } from '../../../layer/apply/index.ts';
import { createLimits } from '../../../layer/index.ts';
import type { LayerApplyOptions } from '../../apply.ts';
import { SnapshotError } from '../../error.ts';
import type { DriverSnapshot, LayerFile } from '../driver.ts';
import { adoptFile } from './adopt-file.ts';
import { foldLayers } from './fold.ts';
import type { ImageParts } from './image-parts.ts';
import { keepContents } from './kept-contents.ts';
import { LayerFiles } from './layer-files.ts';
import { withoutMarks } from './markers.ts';
import { openLayer } from './open-layer.ts';
import type { PrivateMounts } from './private-mounts.ts';
import { readUpper } from './read-upper.ts';
import { writeTarLayer } from './resolve.ts';
import { sealLayer } from './seal-layer.ts';
import { sync } from './settle.ts';
import { extractTar } from './tar-layer.ts';
import type { ReadableContent } from './write-layer.ts';

/** How snapshots come to their layers: from a tar, from a file that is one already, from what was written to them. */
export class LayerIntake {
  readonly #parts: ImageParts;
  readonly #files: LayerFiles;
  readonly #privately: PrivateMounts;

  constructor(parts: ImageParts, privately: PrivateMounts) {
    this.#parts = parts;
    this.#files = new LayerFiles(parts);
    this.#privately = privately;
  }

  /** See `Driver.applyLayer`. */
  async apply(
    snapshot: DriverSnapshot,
    archive: AsyncIterable<Uint8Array>,
    { warnings = new Warnings(), limits, created, signal }: LayerApplyOptions,
  ): Promise<void> {
    const { id } = snapshot;
    const { places, uppers } = this.#parts;
    await uppers.mountDisk(snapshot);
    if (places.hasChanges(id)) await this.#settleUpper(snapshot, { isBottom: false, signal });
    // What was not written to has a root that knows nothing of the layer's.
    await uppers.discard(id);
    const draft = places.at(id, 'tar.new');
    const contents = await extractTar(draft, archive, { warnings, limits: createLimits(limits), signal });
    const chain = places.chain(snapshot).map(each => places.layer(each));
    const lowers = chain.length === 0 ? 'unknown' : chain;
    const { isFinal } = writeTarLayer(draft, contents, lowers, { warnings, created });
    if (places.hasLayer(id)) {
      await this.#files.fold(id, draft, signal);
      rmSync(draft);
      return;
    }
    rmSync(places.index(id), { force: true });
    if (!isFinal) keepContents(places.index(id), contents);
    renameSync(draft, places.layer(id));
  }

  /** See `Driver.adoptLayer`. */
  async adopt(snapshot: DriverSnapshot, { path }: LayerFile): Promise<void> {
    const { id } = snapshot;
    const { places, uppers } = this.#parts;
    await uppers.mountDisk(snapshot);
    if (places.hasLayer(id) || places.hasChanges(id)) {
      throw new SnapshotError(
        'conflict',
        `snapshot ${id} has contents already, and takes no layer as a whole`,
        { detail: { id, path } },
      );
    }
    // Looked at first: what is no layer must not become one.
    openLayer(path)[Symbol.dispose]();
    await uppers.discard(id);
    adoptFile(path, { draft: places.at(id, 'layer.new'), to: places.layer(id) });
  }

  /** All that a snapshot holds in its layer's file, for good: durable, sealed, and right on its parents. Idempotent. */
  async finish(snapshot: DriverSnapshot, signal: AbortSignal | undefined): Promise<void> {
    const { id, parents, rebased } = snapshot;
    const { places, uppers, seal } = this.#parts;
    // What shows the layer alone must not pass for what shows it on its parents.
    if (rebased) await this.#files.withdraw(id);
    await this.#files.resolve(snapshot);
    await this.#settleUpper(snapshot, { isBottom: parents.length === 0, signal });
    await sync(places.layer(id));
    await uppers.discard(id);
    await sealLayer(places.layer(id), seal, signal);
  }

  /** Brings what was written into the layer's file. The upper directory is still there afterwards; doing it again changes nothing. */
  async #settleUpper(
    snapshot: DriverSnapshot,
    { isBottom, signal }: { readonly isBottom: boolean; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const { id, parents, rebased } = snapshot;
    const { places, uppers } = this.#parts;
    const hasLayer = places.hasLayer(id);
    await uppers.mountDisk(snapshot);
    if (hasLayer && !places.hasChanges(id)) return;
    if (!hasLayer) await uppers.ensure(snapshot);
    if (rebased) {
      await using below = await this.#privately.open(parents);
      const target = { path: places.upper(id), form: 'overlay' } as const;
      if (below.path !== undefined) await adoptParents(target, below.path, { signal });
    }
    const source = await readUpper(places.upper(id), { signal });
    using below = hasLayer ? openLayer(places.layer(id)) : undefined;
    const tree = below ? foldLayers<ReadableContent>(source.tree, below.tree()) : source.tree;
    // What is at the bottom deletes nothing, and may be seen alone.
    await this.#files.write(id, { tree: isBottom ? withoutMarks(tree) : tree }, signal);
  }
}
