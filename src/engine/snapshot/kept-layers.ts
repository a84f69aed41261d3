import { ShaleError } from '../../error/index.ts';
import type { LayerLimits } from '../../layer/index.ts';
import { isSelfContained } from '../../layer/self-contained.ts';
import type { Digest } from '../../oci/index.ts';
import type { Snapshots } from '../../snapshot/index.ts';
import type { Store, StoredArtifact } from '../../store/index.ts';
import { findIndexes } from '../layer-index.ts';
import { checkSource } from '../stack/check-source.ts';
import { erofsForm } from '../stack/layer-form.ts';

/** Layers that the cache has as files in the form in which a driver keeps them (`Driver.adoptLayer`). */
export class KeptLayers {
  readonly #snapshots: Snapshots;
  readonly #artifacts: readonly (StoredArtifact | undefined)[];

  /**
   * `layers`: an image's, or its lower ones, which the caller's lease keeps. A layer is taken only where its file shows what the
   * layer is, whatever is below it, and where there was nothing to warn of when it was read.
   */
  constructor(
    snapshots: Snapshots,
    store: Store,
    layers: readonly { readonly diffId: Digest }[],
    limits: LayerLimits,
  ) {
    this.#snapshots = snapshots;
    const isTaken = snapshots.driver.layerForm === 'erofs-layer';
    const indexes = isTaken ? findIndexes(store, layers, limits) : [];
    // The topmost root is the one that shows: that of a layer which has none stands for the usual one.
    let isUsualRoot = true;
    this.#artifacts = indexes.map((index, layer) => {
      const hasRoot = index?.entries.some(({ type, path }) => type === 'directory' && path === '') !== false;
      isUsualRoot &&= !hasRoot;
      if (index === undefined || index.warnings.counts.length > 0) return undefined;
      // A lone layer is mounted as it is, and would show what it deletes.
      if (layer === 0 && index.entries.some(({ type }) => type === 'whiteout' || type === 'opaque'))
        return undefined;
      if (!(hasRoot || isUsualRoot) || !isSelfContained(index.entries)) return undefined;
      return store.findArtifact(erofsForm.key(layers[layer]!.diffId));
    });
  }

  has(layer: number): boolean {
    return this.#artifacts[layer] !== undefined;
  }

  /** Has a snapshot take the file of a layer, which is read and compared with its digest before. False if it cannot be had. */
  async adopt(layer: number, key: string, signal: AbortSignal | undefined): Promise<boolean> {
    const artifact = this.#artifacts[layer];
    if (artifact === undefined) return false;
    try {
      await checkSource(artifact, signal);
    } catch (error) {
      // The layer itself is still there to be unpacked.
      if (error instanceof ShaleError && (error.code === 'corrupt' || error.code === 'not-found'))
        return false;
      throw error;
    }
    await this.#snapshots.adopt(key, artifact);
    return true;
  }
}
