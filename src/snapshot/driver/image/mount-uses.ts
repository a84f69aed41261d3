import type { ImageMounts } from './image-mounts.ts';
import type { LayerPlaces } from './layer-places.ts';

/** Takes away what no snapshot needs mounted any more. Who needs what is said in the snapshots' places, by all processes (`LayerPlaces`). */
export class MountUses {
  readonly #places: LayerPlaces;
  readonly #mounts: ImageMounts;
  /** Committed, and not yet let go. */
  readonly #lingering = new Set<number>();
  #hasLookedBack = false;

  constructor(places: LayerPlaces, mounts: ImageMounts) {
    this.#places = places;
    this.#mounts = mounts;
  }

  /** A snapshot is committed: what it used stays mounted until the next `letGo`. */
  linger(id: number): void {
    this.#places.linger(id);
    this.#lingering.add(id);
  }

  /**
   * Those that were committed last need their parents no more. Not at once: whoever unpacks an image makes the next layer on top, and to take
   * mounts away and bring them back takes longer than all else. The first time those are looked for that a process has left which is gone.
   */
  async letGo(): Promise<void> {
    const lingering = this.#hasLookedBack
      ? [...this.#lingering]
      : this.#places.list().filter(id => this.#places.isLingering(id));
    this.#hasLookedBack = true;
    this.#lingering.clear();
    await this.release([...new Set(lingering.flatMap(id => this.#places.stopLingering(id)))]);
  }

  /** Unmounts what is mounted in these places, unless somebody says that he uses it. */
  async release(targets: readonly string[]): Promise<void> {
    if (targets.length > 0) await this.#mounts.release(() => this.#places.findUnused(targets));
  }
}
