import type { ImageMounts } from './image-mounts.ts';
import type { LayerPlaces } from './layer-places.ts';
import type { LowerDirectories } from './lower-directories.ts';

/** Each layer's file mounted by itself: a lower directory for each. */
export class StackedLowers implements LowerDirectories {
  readonly #places: LayerPlaces;
  readonly #mounts: ImageMounts;

  constructor(places: LayerPlaces, mounts: ImageMounts) {
    this.#places = places;
    this.#mounts = mounts;
  }

  async show(chain: readonly number[], signal?: AbortSignal): Promise<readonly string[]> {
    const targets = this.places(chain);
    const wanted = chain.map((id, index) => ({
      type: 'erofs' as const,
      ...{ image: this.#places.layer(id), target: targets[index]! },
    }));
    await this.#mounts.ensure(wanted, signal);
    return targets;
  }

  places(chain: readonly number[]): readonly string[] {
    return chain.map(id => this.#places.mountPoint(id));
  }

  ownPlaces(id: number): readonly string[] {
    return [this.#places.mountPoint(id)];
  }

  forget(): void {}
}
