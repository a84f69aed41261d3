import type { Content } from '../../merge/index.ts';
import type { ReadLayer } from '../../render/index.ts';

/** Bytes of a sha256. */
export const digestBytes = 32;

/** Finds the sha256 of contents among those of their layers, which name them by file and not by entry. */
export class ContentDigests {
  readonly #layers: readonly ReadLayer[];
  /** Of each layer: by an entry's position, how many files come before it. */
  readonly #ordinals: (Uint32Array | undefined)[] = [];

  constructor(layers: readonly ReadLayer[]) {
    this.#layers = layers;
  }

  find({ layer, entry }: Content): Uint8Array {
    const { entries, digests } = this.#layers[layer]!;
    let ordinals = this.#ordinals[layer];
    if (ordinals === undefined) {
      ordinals = new Uint32Array(entries.length);
      let files = 0;
      for (const [position, { type }] of entries.entries()) {
        ordinals[position] = files;
        if (type === 'file') files += 1;
      }
      this.#ordinals[layer] = ordinals;
    }
    const start = ordinals[entry]! * digestBytes;
    return digests.subarray(start, start + digestBytes);
  }
}
