import { tell } from '../output.ts';
import { Board, type Reading, type Task } from './board.ts';
import type { Progress, ProgressEvent } from './progress.ts';
import { formatRetry } from './retry.ts';
import { formatTask, formatTotal, type Row } from './row.ts';
import { Speed } from './speed.ts';

export interface BarOptions {
  readonly color: boolean;
  readonly unicode: boolean;
}

/** Milliseconds between two pictures. */
const interval = 80;
/** Layers shown at once, at most; a small terminal shows fewer. */
const mostTasks = 12;

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';

/** A bar a layer, drawn over and over in place: those being worked on, what came before and comes next, and a total. */
export class BarProgress implements Progress {
  readonly #reading: Reading;
  readonly #options: BarOptions;
  #speeds = { download: new Speed(), reading: new Speed() };
  #board: Board | undefined;
  /** The lengths of the lines that were drawn last. */
  #drawn: readonly number[] = [];
  #last = 0;
  #finishing = false;
  #ended = false;
  readonly #restore = () => this.end();

  constructor(reading: Reading, options: BarOptions) {
    this.#reading = reading;
    this.#options = options;
    process.on('exit', this.#restore);
    process.stderr.write(hideCursor);
  }

  update(event: ProgressEvent): void {
    if (this.#ended) return;
    if (event.type === 'retry') {
      this.#clear();
      tell(formatRetry(event));
    } else if (event.type === 'finish') this.#finishing = true;
    else if (this.#board === undefined || event.type === 'image') {
      this.#board = Board.create(event, this.#reading);
      this.#speeds = { download: new Speed(), reading: new Speed() };
    }
    this.#board?.update(event);
    const now = performance.now();
    const often =
      event.type === 'layer' || event.type === 'download' || event.type === 'blob' || event.type === 'check';
    if (often && now - this.#last < interval) return;
    this.#last = now;
    this.#draw(now);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    process.off('exit', this.#restore);
    this.#clear();
    process.stderr.write(showCursor);
  }

  #clear(): void {
    process.stderr.write(`${this.#goBack()}\x1b[J`);
    this.#drawn = [];
  }

  #draw(now: number): void {
    const board = this.#board;
    if (board === undefined) return;
    const { download, reading } = board;
    this.#speeds.download.add(download.done, now);
    this.#speeds.reading.add(reading.done, now);
    const columns = Math.max(20, terminalColumns()) - 1;
    const rows = Math.max(3, process.stderr.rows ?? 24);
    const shown = chooseTasks(board, Math.min(mostTasks, rows - 2));
    const lines = shown.map(task => this.#fit(formatTask(task, board, this.#reading), columns));
    const rates = {
      download: this.#speeds.download.rate(download.done, now),
      reading: this.#speeds.reading.rate(reading.done, now),
    };
    lines.push(
      this.#fit(formatTotal(board, rates, { verb: this.#reading, finishing: this.#finishing }), columns),
    );
    // Over what was there, and only then what is left of it: nothing flickers.
    const text = lines.map(line => `${this.#paint(line)}\x1b[K\n`).join('');
    process.stderr.write(`${this.#goBack()}${text}\x1b[J`);
    this.#drawn = lines.map(({ text }) => text.length);
  }

  /** Goes back to where the picture began. A terminal that has become narrower has broken its lines in two. */
  #goBack(): string {
    if (this.#drawn.length === 0) return '';
    const columns = terminalColumns();
    const rows = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 0);
    return `\x1b[${rows}A\r`;
  }

  /** Label, bar, percentage and amount in one line; where there is little room the bar goes, then the amount. */
  #fit({ label, share, amount, look }: Row, columns: number): Line {
    const percent = `${Math.floor(Math.min(1, share) * 100)}%`.padStart(4);
    const before = label.padEnd(20);
    const room = Math.min(40, columns - before.length - percent.length - 43);
    if (room < 5)
      return { text: `${before} ${percent}  ${amount}`.slice(0, columns), filled: 0, bar: 0, look };
    const filled = Math.round(Math.min(1, share) * room);
    const [full, empty] = this.#options.unicode ? ['█', '░'] : ['#', '.'];
    const drawn = full.repeat(filled) + empty.repeat(room - filled);
    const text = `${before} ${drawn} ${percent}  ${amount}`.slice(0, columns);
    return { text, filled, bar: before.length + 1, look };
  }

  #paint({ text, filled, bar, look }: Line): string {
    if (!this.#options.color) return text;
    if (look === 'faint') return `\x1b[2m${text}\x1b[22m`;
    if (filled === 0) return text;
    const color = look === 'done' ? 32 : 36;
    const end = bar + filled;
    return `${text.slice(0, bar)}\x1b[${color}m${text.slice(bar, end)}\x1b[39m${text.slice(end)}`;
  }
}

interface Line {
  readonly text: string;
  /** Where the bar begins, and how many of its cells are full. */
  readonly bar: number;
  readonly filled: number;
  readonly look: Row['look'];
}

/** All tasks where there is room, in their order; otherwise those around the one that is worked on longest. */
function chooseTasks({ tasks, active }: Board, room: number): readonly Task[] {
  if (tasks.length <= room) return tasks;
  const [oldest] = active;
  const chosen = [...active].slice(0, room);
  // The newest are read first, so what comes next stands before it and what is done behind.
  const anchor = oldest?.position ?? tasks.findLastIndex(({ state }) => state !== 'done');
  for (let away = 1; chosen.length < room && away < tasks.length; away++) {
    for (const task of [tasks[anchor - away], tasks[anchor + away]]) {
      if (task !== undefined && chosen.length < room && !active.has(task)) chosen.push(task);
    }
  }
  return chosen.sort((one, other) => one.position - other.position);
}

/** A terminal that does not know its width says 0. */
function terminalColumns(): number {
  return process.stderr.columns || 80;
}
