import type { ProgressEvent } from '../../engine/index.ts';
import { formatBytes, formatRate } from '../quantity.ts';
import { type LayerState, Layers } from './layers.ts';
import type { Progress } from './progress.ts';

export interface BarOptions {
  readonly color: boolean;
  readonly unicode: boolean;
}

/** Milliseconds between two pictures. */
const interval = 80;
/** Layers shown at once, at most; a small terminal shows fewer. */
const mostLayers = 12;

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';

/** A bar a layer, drawn over and over in place: those being read, what came before and comes next, and a total. */
export class BarProgress implements Progress {
  readonly #options: BarOptions;
  readonly #begin = performance.now();
  #layers: Layers | undefined;
  /** The lengths of the lines that were drawn last. */
  #drawn: readonly number[] = [];
  #last = 0;
  #finishing = false;
  #ended = false;
  readonly #restore = () => this.end();

  constructor(options: BarOptions) {
    this.#options = options;
    process.on('exit', this.#restore);
    process.stderr.write(hideCursor);
  }

  update(event: ProgressEvent): void {
    if (this.#ended) return;
    if (event.type === 'image') this.#layers = new Layers(event);
    else if (event.type === 'layer') this.#layers?.update(event);
    else this.#finishing = true;
    const now = performance.now();
    if (event.type === 'layer' && now - this.#last < interval) return;
    this.#last = now;
    this.#draw();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    process.off('exit', this.#restore);
    process.stderr.write(`${this.#goBack()}\x1b[J${showCursor}`);
  }

  #draw(): void {
    if (this.#layers === undefined) return;
    const columns = Math.max(20, terminalColumns());
    const rows = Math.max(3, process.stderr.rows ?? 24);
    const lines = chooseLayers(this.#layers, Math.min(mostLayers, rows - 2)).map(layer =>
      this.#formatLayer(layer, columns - 1),
    );
    lines.push(this.#formatTotal(this.#layers, columns - 1));
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

  #formatLayer({ layer, name, size, read, state }: LayerState, columns: number): Line {
    const label = `${String(layer).padStart(String(this.#layers!.all.length - 1).length)} ${name}`;
    const share = state === 'done' ? 1 : size === 0 ? 0 : read / size;
    const amount =
      state === 'done'
        ? formatBytes(size)
        : state === 'waiting'
          ? 'waiting'
          : `${formatBytes(read)} of ${formatBytes(size)}`;
    return { ...this.#fit(label, share, amount, columns), state };
  }

  #formatTotal({ read, size, done, all }: Layers, columns: number): Line {
    const seconds = (performance.now() - this.#begin) / 1000;
    const label = `${done} of ${all.length} layers`;
    const amount = this.#finishing
      ? 'completing'
      : `${formatBytes(read)} of ${formatBytes(size)}, ${formatRate(read, seconds)}`;
    return { ...this.#fit(label, size === 0 ? 1 : read / size, amount, columns), state: 'active' };
  }

  /** Label, bar, percentage and amount in one line; where there is little room the bar goes, then the amount. */
  #fit(
    label: string,
    share: number,
    amount: string,
    columns: number,
  ): { text: string; filled: number; bar: number } {
    const percent = `${Math.floor(Math.min(1, share) * 100)}%`.padStart(4);
    const before = label.padEnd(20);
    const room = Math.min(40, columns - before.length - percent.length - 34);
    if (room < 5) return { text: `${before} ${percent}  ${amount}`.slice(0, columns), filled: 0, bar: 0 };
    const filled = Math.round(Math.min(1, share) * room);
    const [full, empty] = this.#options.unicode ? ['█', '░'] : ['#', '.'];
    const drawn = full.repeat(filled) + empty.repeat(room - filled);
    return {
      text: `${before} ${drawn} ${percent}  ${amount}`.slice(0, columns),
      filled,
      bar: before.length + 1,
    };
  }

  #paint({ text, filled, bar, state }: Line): string {
    if (!this.#options.color) return text;
    if (state === 'waiting') return `\x1b[2m${text}\x1b[22m`;
    if (filled === 0) return text;
    const color = state === 'done' ? 32 : 36;
    const end = bar + filled;
    return `${text.slice(0, bar)}\x1b[${color}m${text.slice(bar, end)}\x1b[39m${text.slice(end)}`;
  }
}

interface Line {
  readonly text: string;
  /** Where the bar begins, and how many of its cells are full. */
  readonly bar: number;
  readonly filled: number;
  readonly state: LayerState['state'];
}

/** All layers where there is room, in their order; otherwise those around the one that has been read longest. */
function chooseLayers({ all, active }: Layers, room: number): readonly LayerState[] {
  if (all.length <= room) return all;
  const [oldest] = active;
  const chosen = [...active].slice(0, room);
  // The newest are read first, so what comes next stands before it and what is done behind.
  const anchor = oldest?.layer ?? all.findLastIndex(({ state }) => state !== 'done');
  for (let away = 1; chosen.length < room && away < all.length; away++) {
    for (const layer of [all[anchor - away], all[anchor + away]]) {
      if (layer !== undefined && chosen.length < room && !active.has(layer)) chosen.push(layer);
    }
  }
  return chosen.sort((one, other) => one.layer - other.layer);
}

/** A terminal that does not know its width says 0. */
function terminalColumns(): number {
  return process.stderr.columns || 80;
}
