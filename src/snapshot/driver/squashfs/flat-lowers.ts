import { existsSync, rmSync } from 'node:fs';
import { buildOnce, type ImageMounts, type LayerPlaces, type LowerDirectories } from '../image/index.ts';
import { type FlatOptions, writeFlat } from './write-flat.ts';

/**
 * A chain of layers as one squashfs, `ID/flat.sqfs` in the place of the uppermost, made when somebody first wants to see the chain: compressed, and as
 * fast to look up in as any one directory.
 */
export class FlatLowers implements LowerDirectories {
  readonly #places: LayerPlaces;
  readonly #mounts: ImageMounts;
  readonly #options: FlatOptions;

  constructor(places: LayerPlaces, mounts: ImageMounts, options: FlatOptions) {
    this.#places = places;
    this.#mounts = mounts;
    this.#options = options;
  }

  async show(chain: readonly number[], signal?: AbortSignal): Promise<readonly string[]> {
    const image = this.#image(chain[0]!);
    const target = this.#target(chain[0]!);
    const layers = chain.map(id => this.#places.layer(id));
    await buildOnce(image, draft => writeFlat(draft, layers, this.#options, signal), signal);
    await this.#mounts.ensure([{ type: 'squashfs', image, target }], signal);
    return [target];
  }

  places([top]: readonly number[]): readonly string[] {
    return [this.#target(top!)];
  }

  ownPlaces(id: number): readonly string[] {
    return [this.#target(id)];
  }

  forget(id: number): void {
    if (existsSync(this.#image(id))) rmSync(this.#image(id));
  }

  #image(id: number): string {
    return this.#places.at(id, 'flat.sqfs');
  }

  #target(id: number): string {
    return this.#places.at(id, 'flat');
  }
}
