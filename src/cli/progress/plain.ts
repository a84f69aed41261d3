import { tell } from '../output.ts';
import { formatBytes, formatNumber } from '../quantity.ts';
import { Board, type Reading, type Step } from './board.ts';
import { hows } from './how.ts';
import type { Progress, ProgressEvent } from './progress.ts';
import { formatRetry } from './retry.ts';

/** A line for the start, for each layer that has arrived or was read, and for the end: for logs. */
export class PlainProgress implements Progress {
  readonly #reading: Reading;
  #board: Board | undefined;
  /** Of a check: the tenth that was told of last. */
  #tenth = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  update(event: ProgressEvent): void {
    if (event.type === 'retry') tell(formatRetry(event));
    // Where nothing is read, the last line of a layer or blob has said it already.
    if (event.type === 'finish' && this.#reading !== 'nothing') tell('all layers read, completing');
    if (this.#board === undefined || event.type === 'image') this.#board = Board.create(event, this.#reading);
    if (this.#board === undefined) return;
    if (event.type === 'image') tell(this.#formatStart(this.#board));
    const step = this.#board.update(event);
    if (event.type === 'check') this.#tellCheck(event);
    else if (step !== undefined && step.what !== 'began') tell(this.#formatStep(step, this.#board));
  }

  end(): void {}

  #formatStart({ tasks, download, reading }: Board): string {
    const layers = (count: number, size: number) => `${formatNumber(count, 'layer')}, ${formatBytes(size)}`;
    if (tasks.every(({ cached }) => cached === undefined))
      return `reading ${layers(reading.count, reading.size)}`;
    const there = tasks.length - download.count;
    if (download.count === 0) return `${layers(tasks.length, sizeOf(tasks))}, all already there`;
    const already = there === 0 ? '' : `; ${formatNumber(there, 'layer')} already there`;
    return `downloading ${layers(download.count, download.size)}${already}`;
  }

  #formatStep({ task, what }: Step, { kind, tasks, done, download }: Board): string {
    const size = formatBytes(task.size);
    if (kind === 'blob') return `blob ${task.name} ${hows[task.how!]}, ${size}`;
    const layer = `layer ${task.position} ${task.name}`;
    if (what === 'downloaded')
      return `${layer} downloaded, ${size} (${download.finished} of ${download.count})`;
    const verb = this.#reading === 'rendering' && task.cached !== undefined ? 'rendered' : 'read';
    return `${layer} ${verb}, ${size} (${done} of ${tasks.length})`;
  }

  #tellCheck({ done, total }: Extract<ProgressEvent, { type: 'check' }>): void {
    const tenth = total === 0 ? 0 : Math.floor((done / total) * 10);
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    tell(`checked ${formatBytes(done)} of ${formatBytes(total)}`);
  }
}

function sizeOf(tasks: Board['tasks']): number {
  return tasks.reduce((sum, { size }) => sum + size, 0);
}
