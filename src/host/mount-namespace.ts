import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { inheritVariable } from './environment.ts';
import { HostError, throwIfAborted } from './error.ts';
import { systemDirectories } from './find-program.ts';
import { findForbiddingSetting } from './namespace-obstacle.ts';
import { cannotStart, type ProgramOptions, runProgram } from './program.ts';
import { registerUnfinished } from './unfinished.ts';

export interface MountNamespaceOptions {
  /** In a user namespace as well, in which the caller is root and nobody else is anybody: mounts then take no privilege. */
  readonly rootless: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How a line of a shell ended; what it wrote to both of its outputs is in the order in which it came. */
export interface ShellResult {
  /** As the shell has it: 128 and the number of a signal. */
  readonly status: number;
  readonly output: Buffer;
}

/**
 * A mount namespace that nobody else sees. A process that waits holds it open until this is disposed, or we end, however we do; with the last
 * process in it all that was mounted in it is gone.
 */
export interface MountNamespace extends AsyncDisposable {
  readonly rootless: boolean;
  /** Words before those of a program that is to run in it, as long as it is open. */
  readonly entrance: readonly string[];
  /** Runs a line of sh(1) in a directory, to its end. HostErrors as `runProgram`. */
  run(line: string, options: ShellOptions): Promise<ShellResult>;
  /** A shell for whoever sits at our terminal; resolves when it has ended. */
  openShell(options: ShellOptions): Promise<void>;
}

export interface ShellOptions extends Pick<ProgramOptions, 'timeout' | 'outputLimit' | 'signal'> {
  /** Absolute, as the namespace has it. */
  readonly directory: string;
  /** A directory of programs that come before all others. */
  readonly programs?: string | undefined;
}

/** In milliseconds. */
const patience = 10_000;

/** HostErrors: `not-found` without unshare(1), `denied` where the kernel does not let us. */
export async function openMountNamespace(options: MountNamespaceOptions): Promise<MountNamespace> {
  const { rootless, signal } = options;
  throwIfAborted(signal);
  const user = rootless ? ['--user', '--map-root-user'] : [];
  const holding = ['--mount', '--propagation', 'private', '--', 'sh', '-c', 'echo open; read -r _'];
  // A session of its own: Ctrl-C is for us, who then end it.
  const holder = spawn('unshare', [...user, ...holding], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment(),
    detached: true,
  });
  holder.stdin.on('error', () => {});
  const kill = () => void holder.kill('SIGKILL');
  const release = registerUnfinished(kill);
  const clock = setTimeout(kill, patience);
  try {
    const complaint = await findComplaint(holder);
    if (complaint !== undefined) throw isDenied(complaint, rootless);
    return new HeldNamespace(holder, { rootless, release });
  } catch (error) {
    release();
    kill();
    throw error;
  } finally {
    clearTimeout(clock);
  }
}

/** `undefined` once the namespace is there, else why it is not. */
async function findComplaint(holder: ChildProcess): Promise<string | undefined> {
  return await new Promise((resolve, reject) => {
    let complaint = '';
    holder.once('error', error => reject(cannotStart(error, 'unshare')));
    holder.stderr!.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('latin1')).slice(0, 1000);
    });
    holder.stdout!.once('data', () => resolve(undefined));
    holder.once('close', () => resolve(complaint.trim() || 'unshare ended without a word'));
  });
}

class HeldNamespace implements MountNamespace {
  readonly rootless: boolean;
  readonly entrance: readonly string[];
  readonly #holder: ChildProcess;
  readonly #release: () => void;

  constructor(
    holder: ChildProcess,
    { rootless, release }: { readonly rootless: boolean; readonly release: () => void },
  ) {
    const user = rootless ? ['--user', '--preserve-credentials'] : [];
    this.rootless = rootless;
    this.entrance = ['nsenter', '--target', String(holder.pid), ...user, '--mount', '--'];
    this.#holder = holder;
    this.#release = release;
  }

  async run(line: string, { directory, programs, ...options }: ShellOptions): Promise<ShellResult> {
    // nsenter's own --wd is opened before it enters: what is mounted there would not be seen.
    const script = ['sh', '-c', 'cd -- "$0" && exec 2>&1 && eval "$1"', directory, line];
    const added = { ...environment(programs), LC_ALL: 'C' };
    const ended = await runProgram(this.entrance[0]!, [...this.entrance.slice(1), ...script], {
      ...options,
      environment: added,
    });
    if (ended.status === undefined) {
      throw new HostError('unavailable', `a command was killed (${ended.killedBy})`, {
        detail: { command: line },
      });
    }
    return { status: ended.status, output: Buffer.concat([ended.stdout, ended.stderr]) };
  }

  async openShell({ directory, programs }: ShellOptions): Promise<void> {
    const shell = inheritVariable('SHELL') || 'sh';
    const script = ['sh', '-c', 'cd -- "$0" && { command -v "$1" >/dev/null || set -- sh; exec "$1" -i; }'];
    const child = spawn(this.entrance[0]!, [...this.entrance.slice(1), ...script, directory, shell], {
      stdio: 'inherit',
      env: environment(programs),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('error', error => reject(cannotStart(error, 'nsenter')));
      child.once('exit', () => resolve());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const holder = this.#holder;
    if (holder.exitCode === null && holder.signalCode === null) {
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
    }
    this.#release();
  }
}

/** Ours, with programs of the system's and with the Node that we are. */
function environment(programs?: string): NodeJS.ProcessEnv {
  const first = programs === undefined ? [] : [programs];
  const given = (inheritVariable('PATH') ?? '').split(delimiter);
  const PATH = [...new Set([...first, ...given, ...systemDirectories, dirname(process.execPath)])].join(
    delimiter,
  );
  return { ...process.env, PATH };
}

/** What else of the kernel's settings may forbid namespaces, the value that does, and what to set. */
const switches = [
  ['/proc/sys/user/max_mnt_namespaces', '0', 'user.max_mnt_namespaces=15000'],
  [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'kernel.apparmor_restrict_unprivileged_userns=0',
  ],
] as const;

function isDenied(complaint: string, rootless: boolean): HostError {
  const what = rootless ? 'a user namespace' : 'a mount namespace';
  const setting = switches.find(([path, forbidden]) => readSetting(path) === forbidden)?.[2];
  const hint =
    (rootless ? findForbiddingSetting()?.hint : undefined) ??
    (setting !== undefined
      ? `as root run: sysctl -w ${setting}`
      : rootless
        ? 'run it as root, or outside of the container or sandbox that forbids user namespaces'
        : 'run it outside of the container, or in one with CAP_SYS_ADMIN');
  return new HostError('denied', `${what} cannot be had here: ${complaint}`, {
    detail: { rootless },
    hint,
  });
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
