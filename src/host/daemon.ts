import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { closeOnExec } from './inheritance.ts';
import { identifyChild, type ProcessIdentity } from './process.ts';
import { cannotStart } from './program.ts';

export interface DaemonOptions {
  /** Its working directory. */
  readonly directory: string;
  /** Its whole environment. Nothing of ours is added. */
  readonly environment: Readonly<Record<string, string>>;
  /** Open descriptors of ours that it inherits, as 3, 4, … in this order. They stay ours to close. */
  readonly descriptors?: readonly number[];
  /** Whether its standard output can be read; if not it is /dev/null. */
  readonly readOutput?: boolean;
  /** Whether its standard input is a pipe, in which `release` puts a line; if not it is /dev/null. */
  readonly held?: boolean;
}

export interface DaemonEnd {
  readonly status: number | undefined;
  readonly signal: string | undefined;
}

/** A process that was started to outlive us. */
export interface Daemon {
  readonly identity: ProcessIdentity;
  /** Resolves when it has ended. */
  readonly ended: Promise<DaemonEnd>;
  readonly stdout: Readable | undefined;
  /** The last that it wrote to its standard error, at most 16 KiB. It may go on writing when we are gone: into nothing. */
  errorText(): string;
  /** Tells a program that was started to be `held` to go on. One that hears the end of its input instead has lost us. */
  release(): void;
  /** Neither the process nor its pipes keep this process alive any more. */
  detach(): void;
}

const mostErrorText = 16384;
/** In milliseconds. */
const lingering = 100;

/**
 * Starts a program in a session of its own: no terminal, no signal to our process group and not our end reach it.
 */
export async function spawnDaemon(
  program: string,
  programArguments: readonly string[],
  options: DaemonOptions,
): Promise<Daemon> {
  const { directory, environment, descriptors = [], readOutput = false, held = false } = options;
  closeOnExec();
  const child = spawn(program, programArguments, {
    cwd: directory,
    env: { ...environment },
    detached: true,
    stdio: [held ? 'pipe' : 'ignore', readOutput ? 'pipe' : 'ignore', 'pipe', ...descriptors],
  });
  const ended = new Promise<DaemonEnd>(resolve => {
    child.once('exit', (status, signal) => {
      const end = () => resolve({ status: status ?? undefined, signal: signal ?? undefined });
      // Its last words are still in the pipe; children that it left behind may hold that open.
      child.once('close', end);
      setTimeout(end, lingering).unref();
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', error => reject(cannotStart(error, program)));
  });
  return new RunningDaemon(child, identifyChild(child.pid!), ended);
}

class RunningDaemon implements Daemon {
  readonly identity: ProcessIdentity;
  readonly ended: Promise<DaemonEnd>;
  readonly #child: ChildProcess;
  #errorText = Buffer.alloc(0);

  constructor(child: ChildProcess, identity: ProcessIdentity, ended: Promise<DaemonEnd>) {
    this.#child = child;
    this.identity = identity;
    this.ended = ended;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errorText = Buffer.concat([this.#errorText, chunk]).subarray(-mostErrorText);
    });
    child.stdin?.on('error', () => {});
    child.stderr?.on('error', () => {});
    child.stdout?.on('error', () => {});
  }

  get stdout(): Readable | undefined {
    return this.#child.stdout ?? undefined;
  }

  errorText(): string {
    return this.#errorText.toString();
  }

  release(): void {
    this.#child.stdin?.end('\n');
  }

  detach(): void {
    this.#child.unref();
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }
}
