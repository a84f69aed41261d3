import type { ProgressEvent as EngineEvent } from '../../engine/index.ts';

/** What the engine tells of images, and how many bytes of the cache have been checked. */
export type ProgressEvent =
  | EngineEvent
  | { readonly type: 'check'; readonly done: number; readonly total: number };

/** Shows on standard error how far a piece of work is. */
export interface Progress {
  update(event: ProgressEvent): void;
  /** The work has ended, well or not: nothing is shown any more, and the terminal is as it was. Safe to call twice. */
  end(): void;
}
