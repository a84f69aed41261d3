import type { ProgressEvent } from '../../engine/index.ts';

/** Shows on standard error how far a piece of work is. */
export interface Progress {
  update(event: ProgressEvent): void;
  /** The work has ended, well or not: nothing is shown any more, and the terminal is as it was. Safe to call twice. */
  end(): void;
}
