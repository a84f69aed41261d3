import { formatJson, tell } from '../output.ts';
import { Board, type Reading } from './board.ts';
import type { Progress, ProgressEvent } from './progress.ts';

/** Milliseconds between two lines about one layer. */
const interval = 100;

/** The events as they are, one JSON object a line; of each layer or blob no more than ten a second, its first and its last. */
export class JsonProgress implements Progress {
  readonly #reading: Reading;
  #board: Board | undefined;
  readonly #told = new Map<string, number>();

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  update(event: ProgressEvent): void {
    if (this.#board === undefined || event.type === 'image') this.#board = Board.create(event, this.#reading);
    const step = this.#board?.update(event);
    const subject = subjectOf(event);
    if (subject !== undefined) {
      const now = performance.now();
      const ends = event.type === 'check' && event.done >= event.total;
      const last = this.#told.get(subject);
      if (step === undefined && !ends && last !== undefined && now - last < interval) return;
      this.#told.set(subject, now);
    }
    const { type: name, ...rest } = event;
    tell(formatJson({ event: name, ...rest }));
  }

  end(): void {}
}

/** What may be told of often, and so is told of less often; undefined for what happens once. */
function subjectOf(event: ProgressEvent): string | undefined {
  switch (event.type) {
    case 'download':
    case 'layer':
      return `${event.type} ${event.layer}`;
    case 'blob':
      return event.digest;
    case 'check':
      return event.type;
    default:
      return undefined;
  }
}
