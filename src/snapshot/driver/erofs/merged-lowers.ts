import { existsSync, rmSync } from 'node:fs';
import { openErofs } from '../../../erofs/index.ts';
import { Warnings } from '../../../error/index.ts';
import { ImageFile } from '../../../host/index.ts';
import { buildOnce, type ImageMounts, type LayerPlaces, type LowerDirectories } from '../image/index.ts';
import { writeMergedLayers } from './write-merged.ts';

/** Whether chains are merged: always, never, or from so many layers on. */
export type MergeFrom = 'always' | 'never' | number;

/**
 * A chain of layers as one lower directory: an EROFS of metadata alone, `ID/merged.erofs` in the place of the uppermost, whose files lie in the layers'
 * files (its devices). Looking a name up then takes as long in a hundred layers as in one.
 */
export class MergedLowers implements LowerDirectories {
  readonly #places: LayerPlaces;
  readonly #mounts: ImageMounts;
  readonly #stacked: LowerDirectories;
  readonly #from: MergeFrom;

  constructor(places: LayerPlaces, mounts: ImageMounts, stacked: LowerDirectories, from: MergeFrom) {
    this.#places = places;
    this.#mounts = mounts;
    this.#stacked = stacked;
    this.#from = from;
  }

  async show(chain: readonly number[], signal?: AbortSignal): Promise<readonly string[]> {
    if (!this.#isMerged(chain)) return await this.#stacked.show(chain, signal);
    const top = chain[0]!;
    const image = this.#image(top);
    const target = this.#target(top);
    await buildOnce(
      image,
      async draft =>
        writeMergedLayers(
          draft,
          chain.map(id => ({ id, path: this.#places.layer(id) })),
          new Warnings(),
        ),
      signal,
    );
    const devices = readDevices(image).map(id => this.#places.layer(id));
    await this.#mounts.ensure([{ type: 'erofs', image, target, devices }], signal);
    return [target];
  }

  places(chain: readonly number[]): readonly string[] {
    return this.#isMerged(chain) ? [this.#target(chain[0]!)] : this.#stacked.places(chain);
  }

  ownPlaces(id: number): readonly string[] {
    return [this.#target(id), ...this.#stacked.ownPlaces(id)];
  }

  forget(id: number): void {
    if (existsSync(this.#image(id))) rmSync(this.#image(id));
    this.#stacked.forget(id);
  }

  #isMerged({ length }: readonly number[]): boolean {
    return length > 1 && this.#from !== 'never' && (this.#from === 'always' || length >= this.#from);
  }

  #image(id: number): string {
    return this.#places.at(id, 'merged.erofs');
  }

  #target(id: number): string {
    return this.#places.at(id, 'merged');
  }
}

/** The ids of the layers that a merged image has as devices: their tags. */
function readDevices(path: string): readonly number[] {
  using source = new ImageFile(path);
  using image = openErofs(source);
  return image.superblock.devices.map(({ tag }) => Number(tag));
}
