import { type ChildProcess, spawn } from 'node:child_process';
import { isErrno, wrapErrno } from '../error/index.ts';
import { HostError, throwIfAborted } from './error.ts';

export interface ProgramOptions {
  /** What the program reads on its standard input; nothing if not given. */
  readonly input?: string | Uint8Array;
  /** How long it may run, in milliseconds; a minute if not given. */
  readonly timeout?: number;
  /** How many bytes it may write to each of its two outputs; 1 MiB if not given. */
  readonly outputLimit?: number;
  /** Where it runs; here if not given. */
  readonly directory?: string | undefined;
  /** Its whole environment; ours if not given. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** Variables on top of our own environment. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended, and what it wrote. Exactly one of `status` and `killedBy` is defined. */
export interface ProgramResult {
  readonly status: number | undefined;
  readonly killedBy: string | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** After its end a program's outputs are read for so long, should a child that it left behind hold them open. */
const lingering = 500;

/**
 * Runs a program, found through PATH unless `name` has a slash, and waits for its end, whatever its status is. There
 * is no shell in between: arguments arrive as they are. It keeps our terminal, so that it may ask for a passphrase.
 *
 * HostError `not-found` or `denied` if it cannot be started, `unavailable` when it runs too long, `exhausted` when it
 * writes too much, `cancelled`; in the last three cases it has been killed. No error shows input or output.
 */
export async function runProgram(
  name: string,
  programArguments: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { input, timeout = 60_000, outputLimit = 1024 * 1024, environment: env, signal } = options;
  throwIfAborted(signal);
  const { directory: cwd, variables } = options;
  const child = spawn(name, programArguments, {
    stdio: ['pipe', 'pipe', 'pipe'],
    shell: false,
    ...(cwd !== undefined && { cwd }),
    ...(env && { env }),
    ...(variables && { env: { ...(env ?? process.env), ...variables } }),
  });
  let clock: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<ProgramResult>((resolve, reject) => {
      const tooMuch = () => reject(writesTooMuch(name, outputLimit));
      const stdout = collect(child.stdout, outputLimit, tooMuch);
      const stderr = collect(child.stderr, outputLimit, tooMuch);
      const finish = (status: number | null, killedBy: string | null) =>
        resolve({
          status: status ?? undefined,
          killedBy: killedBy ?? undefined,
          stdout: stdout(),
          stderr: stderr(),
        });
      child.once('error', error => reject(cannotStart(error, name)));
      child.once('close', finish);
      child.once('exit', (status, killedBy) => {
        clearTimeout(clock);
        clock = setTimeout(finish, lingering, status, killedBy);
      });
      // A program that does not read its input to the end is free not to.
      child.stdin.on('error', () => {});
      child.stdin.end(input);
      clock = setTimeout(() => reject(runsTooLong(name, timeout)), timeout);
      abort = () => reject(new HostError('cancelled', 'cancelled', { cause: signal?.reason }));
      signal?.addEventListener('abort', abort, { once: true });
    });
  } finally {
    clearTimeout(clock);
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
    stop(child);
  }
}

/** Keeps what a stream delivers, up to the limit; the result hands it over. */
function collect(stream: NodeJS.ReadableStream, limit: number, tooMuch: () => void): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) tooMuch();
    else chunks.push(chunk);
  });
  stream.on('error', () => {});
  return () => Buffer.concat(chunks);
}

/** Leaves nothing that would keep this process alive: neither the program nor a pipe that its children hold. */
function stop(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
}

/** Why a program could not be started, in words. */
export function cannotStart(error: unknown, name: string): unknown {
  if (isErrno(error, 'ENOENT')) {
    return new HostError('not-found', `there is no program ${name}`, {
      cause: error,
      detail: { program: name },
      hint: name.includes('/') ? 'check the path' : 'install it, or add its directory to PATH',
    });
  }
  return wrapErrno(error, `cannot start ${name}`);
}

function runsTooLong(name: string, timeout: number): HostError {
  return new HostError('unavailable', `${name} did not end within ${timeout / 1000} s`, {
    detail: { program: name, timeout },
  });
}

function writesTooMuch(name: string, limit: number): HostError {
  return new HostError('exhausted', `${name} wrote more than ${limit} bytes`, {
    detail: { program: name, limit },
  });
}
