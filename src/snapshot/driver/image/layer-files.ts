import { rmSync } from 'node:fs';
import { Warnings } from '../../../error/index.ts';
import type { DriverSnapshot } from '../driver.ts';
import { foldLayers } from './fold.ts';
import type { ImageParts } from './image-parts.ts';
import { findContents } from './kept-contents.ts';
import { openLayer } from './open-layer.ts';
import { writeTarLayer } from './resolve.ts';
import { unsealLayer } from './seal-layer.ts';
import { settle, sync } from './settle.ts';
import { create } from './tar-layer.ts';
import { type LayerSource, type ReadableContent, writeLayer } from './write-layer.ts';

/** The files that layers are: how one comes to be another, though it may be shown somewhere. */
export class LayerFiles {
  readonly #parts: ImageParts;

  constructor(parts: ImageParts) {
    this.#parts = parts;
  }

  /** Makes a layer's file, or makes it anew. After a crash it is the one or the other, whole. */
  async write(id: number, source: LayerSource, signal: AbortSignal | undefined): Promise<void> {
    const { places } = this.#parts;
    const draft = places.at(id, 'layer.new');
    create(draft);
    await writeLayer(draft, source, { warnings: new Warnings(), signal });
    await this.withdraw(id);
    await settle(draft, places.layer(id));
  }

  /** Puts the layer in the file `upper` on top of the one that is there. */
  async fold(id: number, upper: string, signal: AbortSignal | undefined): Promise<void> {
    using above = openLayer(upper);
    using below = openLayer(this.#parts.places.layer(id));
    const tree = foldLayers<ReadableContent>(above.tree(), below.tree());
    await this.write(id, { tree }, signal);
  }

  /** An applied layer that was unpacked without its parents: they have their say now. Can be done again after a crash. */
  async resolve({ id, parents }: DriverSnapshot): Promise<void> {
    const { places } = this.#parts;
    const index = places.index(id);
    const contents = places.hasLayer(id) ? findContents(index) : undefined;
    if (contents !== undefined) {
      await this.withdraw(id);
      const lowers = parents.map(parent => places.layer(parent));
      writeTarLayer(places.layer(id), contents, lowers, { warnings: new Warnings() });
      await sync(places.layer(id));
    }
    rmSync(index, { force: true });
  }

  /** The layer's file is going to be another: nothing that shows it may stay. */
  async withdraw(id: number): Promise<void> {
    const { places, lowers, plainLowers, mounts } = this.#parts;
    unsealLayer(places.layer(id));
    const targets = [...lowers.ownPlaces(id), ...plainLowers.ownPlaces(id)];
    await mounts.release(() => targets, { lazily: true });
    lowers.forget(id);
  }
}
