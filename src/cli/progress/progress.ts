import type { ProgressEvent as EngineEvent } from '../../engine/index.ts';

type Pending =
  | {
      readonly type: 'blob';
      readonly digest: string;
      readonly done: number;
      readonly size: number;
      readonly how?: 'pushed' | 'mounted' | 'exists' | 'copied';
    }
  | { readonly type: 'check'; readonly done: number; readonly total: number };

export type ProgressEvent = EngineEvent | Pending;

/** Shows on standard error how far a piece of work is. */
export interface Progress {
  update(event: ProgressEvent): void;
  /** The work has ended, well or not: nothing is shown any more, and the terminal is as it was. Safe to call twice. */
  end(): void;
}
