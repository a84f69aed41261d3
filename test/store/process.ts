import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('child.ts', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

export class Child {
  readonly #process: ChildProcess;
  readonly ended: Promise<Ended>;
  #output = '';
  #errors = '';

  constructor(parameters: readonly string[]) {
    this.#process = spawn(process.execPath, [script, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process.stdout!.on('data', chunk => {
      this.#output += chunk;
    });
    this.#process.stderr!.on('data', chunk => {
      this.#errors += chunk;
    });
    this.ended = once(this.#process, 'close').then(([status, signal]) => {
      return { status, signal, output: this.#output, errors: this.#errors };
    });
  }

  /** It has said that it is where it should be. */
  async ready(): Promise<void> {
    while (!this.#output.includes('ready')) {
      const ended = await Promise.race([once(this.#process.stdout!, 'data'), this.ended]);
      if ('status' in ended) throw new Error(`it ended: ${ended.errors}`);
    }
  }

  async kill(): Promise<Ended> {
    this.#process.kill('SIGKILL');
    return await this.ended;
  }
}

/** Runs test/store/child.ts to its end. */
export async function run(...parameters: readonly string[]): Promise<Ended> {
  return await new Child(parameters).ended;
}
