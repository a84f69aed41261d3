import { middle, type Result } from './race.ts';
import { formatSeconds } from './report.ts';

/** One figure of all subjects, as they are listed: a dot for the median, a line for the range of the rounds. */
export interface ChartOptions {
  readonly title: string;
  readonly measure: string;
  readonly results: readonly Result[];
}

const width = 460;
const nameWidth = 142;
const valueWidth = 62;
const rowHeight = 24;
const axisHeight = 26;
const left = nameWidth + 12;
const right = width - valueWidth;

/** An inline SVG, coloured by the classes of the page. */
export function drawChart({ title, measure, results }: ChartOptions): string {
  const rows = results.flatMap(({ subject, seconds }) => {
    const values = seconds[measure] ?? [];
    return values.length === 0 ? [] : [{ name: subject.name, median: middle(values), values }];
  });
  if (rows.length === 0) return '';
  const scale = createScale(rows.flatMap(({ values }) => values));
  const height = rows.length * rowHeight + axisHeight;
  const best = Math.min(...rows.map(({ median }) => median));
  const ticks = scale.ticks.map((tick, index) => {
    const x = scale.place(tick).toFixed(1);
    // Five labels fit.
    const label = index % Math.ceil(scale.ticks.length / 5) === 0 ? formatTick(tick) : '';
    return `<line class="grid" x1="${x}" x2="${x}" y1="2" y2="${height - axisHeight + 2}"/><text class="tick" x="${x}" y="${height - 8}" text-anchor="middle">${label}</text>`;
  });
  const marks = rows.map(({ name, median, values }, index) => {
    const y = index * rowHeight + rowHeight / 2 + 2;
    const [x, low, high] = [median, Math.min(...values), Math.max(...values)].map(value =>
      scale.place(value).toFixed(1),
    );
    const told = `${name}: ${formatSeconds(median)} (${formatSeconds(Math.min(...values))} to ${formatSeconds(Math.max(...values))})`;
    const kind = median === best ? 'best' : 'mark';
    return [
      `<g><title>${escapeHtml(told)}</title><rect class="hit" x="0" y="${y - rowHeight / 2}" width="${width}" height="${rowHeight}"/>`,
      `<text class="name" x="${nameWidth}" y="${y + 4}" text-anchor="end">${escapeHtml(name)}</text>`,
      `<line class="stem" x1="${left}" x2="${x}" y1="${y}" y2="${y}"/>`,
      `<line class="range ${kind}" x1="${low}" x2="${high}" y1="${y}" y2="${y}"/>`,
      `<circle class="${kind}" cx="${x}" cy="${y}" r="4.5"/>`,
      `<text class="value ${kind}" x="${width}" y="${y + 4}" text-anchor="end">${formatSeconds(median)}</text></g>`,
    ].join('');
  });
  const label = `${title}, ${scale.isLogarithmic ? 'logarithmic scale' : 'linear scale'}`;
  return [
    `<figure><figcaption>${escapeHtml(title)} <span>${scale.isLogarithmic ? 'log scale' : ''}</span></figcaption>`,
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}">`,
    ...ticks,
    ...marks,
    '</svg></figure>',
  ].join('\n');
}

interface Scale {
  readonly isLogarithmic: boolean;
  readonly ticks: readonly number[];
  place(value: number): number;
}

/** From nothing where the values are of one size, in powers of ten where they are not. */
function createScale(values: readonly number[]): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (most / least < 20) {
    const step = niceStep(most / 3);
    const ticks = Array.from({ length: Math.floor((most * 1.02) / step) + 1 }, (_, index) => index * step);
    const end = Math.max(most * 1.02, ticks.at(-1)!);
    return { isLogarithmic: false, ticks, place: value => left + ((right - left - 8) * value) / end };
  }
  const first = Math.floor(Math.log10(least));
  const last = Math.ceil(Math.log10(most));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  const place = (value: number) => left + ((right - left - 8) * (Math.log10(value) - first)) / (last - first);
  return { isLogarithmic: true, ticks, place };
}

/** 1, 2 or 5 times a power of ten, at least as large. */
function niceStep(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size));
  return power * ([1, 2, 5, 10].find(factor => factor * power >= size) ?? 10);
}

function formatTick(seconds: number): string {
  if (seconds === 0) return '0';
  const [value, unit] =
    seconds < 0.9995e-3 ? [seconds * 1e6, 'µs'] : seconds < 0.9995 ? [seconds * 1e3, 'ms'] : [seconds, 's'];
  return `${Number(value.toPrecision(3))} ${unit}`;
}

/** Text for HTML and for attributes in double quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);
}
