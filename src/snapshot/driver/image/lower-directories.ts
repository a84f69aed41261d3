/** How a chain of committed layers is shown to OverlayFS. */
export interface LowerDirectories {
  /**
   * Directories, nearest first, that together show these layers (ids, nearest first, one at least), mounted. They stay so while somebody says that
   * he uses them (`LayerPlaces.writeUses`); what is not mounted any more is brought back.
   */
  show(chain: readonly number[], signal?: AbortSignal): Promise<readonly string[]>;
  /** Where `show` mounts, or may mount, something for these layers: known before. */
  places(chain: readonly number[]): readonly string[];
  /** All places in which this layer's own file is shown, whatever is below it. */
  ownPlaces(id: number): readonly string[];
  /** Forgets what was made of a layer that is written anew: it is not mounted any more. */
  forget(id: number): void;
}
