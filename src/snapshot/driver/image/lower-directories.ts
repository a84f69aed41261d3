/** How a chain of committed layers is shown to OverlayFS. */
export interface LowerDirectories {
  /**
   * Directories, nearest first, that together show these layers (ids, nearest first, one at least), mounted for as long as their users' `parents` name
   * them. Brings back what is not mounted any more.
   */
  show(chain: readonly number[], signal?: AbortSignal): Promise<readonly string[]>;
  /** All places where `show` mounts something for this layer. */
  mountPoints(id: number): readonly string[];
  /** Forgets what was made of a layer that is written anew: it is not mounted any more. */
  forget(id: number): void;
}
