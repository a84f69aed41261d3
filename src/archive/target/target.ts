import type { Pusher } from '../../content/index.ts';

/** Where an image is copied to. What was pushed is for nobody to see before the commit. */
export interface ImageTarget extends Pusher, AsyncDisposable {
  /** Gives the graph's root its name. Without it nothing half-written is left once the target is disposed. */
  commit(): Promise<void>;
}
