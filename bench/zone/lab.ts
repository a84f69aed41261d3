import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

/** One run of `shale` as whoever typed it sees it; milliseconds from the start of its process. */
export interface Run {
  /** Until each line of standard output, whole. */
  readonly lines: readonly { readonly at: number; readonly text: string }[];
  /** Until the process ended. */
  readonly total: number;
  readonly stderr: string;
  readonly status: number | null;
}

/** A cache of Shale's own for the bench, and its command line. */
export class Lab {
  readonly directory: string;
  readonly root: string;
  readonly #bin = path.join(import.meta.dirname, '..', '..', 'bin', 'shale.js');

  constructor(directory: string) {
    this.directory = directory;
    this.root = path.join(directory, 'root');
    mkdirSync(this.root, { recursive: true });
  }

  /** Runs `shale`; an error if it fails. */
  shale(...words: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [this.#bin, ...words], {
      encoding: 'utf8',
      env: this.#environment(),
    });
    if (status === 0) return stdout;
    throw new Error(`shale ${words.join(' ')}: status ${status}\n${stderr}`);
  }

  /** Runs `shale` and takes the times. */
  async time(...words: readonly string[]): Promise<Run> {
    return await timeProgram(process.execPath, [this.#bin, ...words], this.#environment());
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, SHALE_ROOT: this.root };
  }
}

async function timeProgram(program: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<Run> {
  const begin = performance.now();
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: { at: number; text: string }[] = [];
  let rest = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const at = performance.now() - begin;
    const whole = (rest + chunk).split('\n');
    rest = whole.pop()!;
    for (const text of whole) lines.push({ at, text });
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', status => resolve({ lines, total: performance.now() - begin, stderr, status }));
  });
}

/** What a run that failed said, in a line. */
export function complaintOf({ stderr, status }: Run): string {
  const line = stderr.split('\n').find(each => /^(shale: )?(error|.*: )/.test(each)) ?? stderr.split('\n')[0];
  return (line ?? '').trim().slice(0, 240) || `status ${status}`;
}

/** In the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}

/** `median (least–most)`, without digits. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return '–';
  const text = median(values).toFixed(0);
  if (values.length === 1) return text;
  return `${text} (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`;
}

/** A table, with rules of what is measured below its title. */
export interface Section {
  readonly title: string;
  readonly notes?: readonly string[] | undefined;
  readonly table: readonly (readonly string[])[];
}
