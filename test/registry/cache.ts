import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bin, cleanEnvironment, type Ended, type RunOptions, shale } from '../cli/fixture.ts';
import type { RealRegistry } from './real.ts';

/** A cache of its own, with an empty home, that the command line is run on. */
export class Cache implements Disposable {
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'shale-cache-'));

  /** What `--root` names; not there before the first command. */
  get root(): string {
    return this.file('root');
  }

  /** A name beside the cache, for whatever a test needs. */
  file(...names: string[]): string {
    return path.join(this.#directory, ...names);
  }

  /** The flags that a registry needs. */
  static access(registry: RealRegistry): string[] {
    return ['--authfile', registry.authFile, ...(registry.certDir ? ['--cert-dir', registry.certDir] : [])];
  }

  /** Runs `shale COMMAND … --root`, to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return await shale([...args, '--root', this.root], { ...options, env: this.#environment(options.env) });
  }

  /** As `run`, and it has to succeed. */
  async ok(args: readonly string[], options?: RunOptions): Promise<Ended> {
    const ended = await this.run(args, options);
    assert.equal(ended.status, 0, `shale ${args.join(' ')}: ${ended.signal ?? ''}\n${ended.stderr}`);
    return ended;
  }

  /** As `ok`, with `--json`; the object that it prints. */
  async json<Result>(args: readonly string[], options?: RunOptions): Promise<Result> {
    return JSON.parse((await this.ok([...args, '--json'], options)).stdout.toString()) as Result;
  }

  /** As `run`, and it has to fail with that status; what it said. */
  async fails(status: number, args: readonly string[], options?: RunOptions): Promise<string> {
    const ended = await this.run(args, options);
    const [said, printed] = [ended.stderr, ended.stdout.toString()];
    assert.equal(ended.status, status, `shale ${args.join(' ')}: ${ended.signal ?? ''}\n${said}\n${printed}`);
    return said;
  }

  /** Starts it and lets it run, in a process group that `process.kill(-child.pid)` ends. */
  start(args: readonly string[]): ChildProcess & { readonly ended: Promise<Ended> } {
    const child = spawn(process.execPath, [bin, ...args, '--root', this.root], {
      env: cleanEnvironment(this.#environment()),
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => resolve({ status, signal, stdout: Buffer.alloc(0), stderr }));
    });
    return Object.assign(child, { ended });
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** No credentials of whoever runs the tests; their compile cache, though, which saves each command half of its time. */
  #environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const { XDG_CACHE_HOME, HOME = '/' } = process.env;
    return { HOME: this.file('home'), XDG_CACHE_HOME: XDG_CACHE_HOME || path.join(HOME, '.cache'), ...env };
  }
}
