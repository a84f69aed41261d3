import { stripVTControlCharacters } from 'node:util';
import type { LabOutcome, LabStep } from '../../engine/lab/overlay.ts';
import { safe } from '../output.ts';

export interface PageOptions {
  readonly color: boolean;
  /** In characters; lines of commands and of what they print may be longer. */
  readonly width: number;
}

const styles = { title: '1', command: '36', see: '33', note: '2' } as const;

/** A step as a person reads it, in the three parts in which it comes: what is said before, each command with what it printed, what is said after. */
export class Page {
  readonly #color: boolean;
  readonly #width: number;

  constructor({ color, width }: PageOptions) {
    this.#color = color;
    this.#width = Math.max(40, Math.min(width, 100));
  }

  heading({ name, title, explanation }: LabStep, { number, count }: StepNumber): string {
    const line = `── ${number}/${count} ${name}: ${title} `;
    const rule = line.padEnd(this.#width, '─');
    return [
      this.#style('title', rule),
      '',
      ...explanation.flatMap(text => [...this.#wrap(text), '']),
      '',
    ].join('\n');
  }

  outcome({ command, output, status }: LabOutcome): string {
    const lines = output.trim() === '' ? [] : output.replace(/\n+$/, '').split('\n');
    const shown = lines.map(line => safe(stripVTControlCharacters(line).replaceAll('\t', '        ')));
    const ended = status === 0 ? [] : [this.#style('note', `(exit status ${status})`)];
    return [this.#style('command', `$ ${command}`), ...shown, ...ended, ''].join('\n');
  }

  closing({ see }: LabStep): string {
    const lines = see.flatMap(text => this.#wrap(text, '→ '));
    return ['', ...lines.map(line => this.#style('see', line)), '', ''].join('\n');
  }

  #style(style: keyof typeof styles, text: string): string {
    return this.#color ? `\x1b[${styles[style]}m${text}\x1b[0m` : text;
  }

  #wrap(text: string, first = ''): string[] {
    const lines: string[] = [];
    let line = first;
    for (const word of text.split(' ')) {
      if (line.length > first.length && line.length + 1 + word.length > this.#width) {
        lines.push(line);
        line = ' '.repeat(first.length);
      }
      line += line.length > first.length ? ` ${word}` : word;
    }
    return [...lines, line];
  }
}

export interface StepNumber {
  /** From 1. */
  readonly number: number;
  readonly count: number;
}
