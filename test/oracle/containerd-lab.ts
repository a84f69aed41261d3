/**
 * A containerd of its own for one test, with Shale as its snapshotter: sockets, state and images are below a temporary directory, and all of it is gone after the
 * test, containers included. Tests that use it skip without the tools: `{ skip: requires(containerdLab) }`.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import {
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DriverName } from '../../src/snapshot/index.ts';
import { bin } from '../cli/fixture.ts';
import { formatConfig } from './containerd-config.ts';

export const containerdLab = {
  tools: [
    'containerd',
    'ctr',
    'runc',
    'docker-registry',
    'skopeo',
    'umoci',
    'busybox',
    'setpriv',
    'htpasswd',
    'openssl',
  ],
  root: true,
  mounts: ['overlay'],
};

export interface FoundContainerd {
  /** Where its programs are; the machine's own if not given. */
  readonly programs: string | undefined;
  readonly skip: string | false;
}

/**
 * A containerd that lets a proxy plugin apply layers: the one in the directory SHALE_CONTAINERD, else the machine's own if it is new enough. `.ci/run`
 * unpacks one beside the machine's.
 */
export function findNewContainerd(): FoundContainerd {
  const programs = process.env.SHALE_CONTAINERD;
  if (programs !== undefined) return { programs, skip: false };
  const [major = 0, minor = 0, patch = 0] = readVersion('containerd');
  const isNew = major > 1 || minor > 7 || (minor === 7 && patch >= 10);
  const reason = 'needs containerd 1.7.10, here or in the directory SHALE_CONTAINERD';
  if (!isNew && process.env.SHALE_REQUIRE_ALL) throw new Error(`${reason}; .ci/run must bring it`);
  return { programs, skip: isNew ? false : reason };
}

/** One that unpacks an image's layers at once, which Debian does not have: in the directory SHALE_CONTAINERD, or the machine's own. */
export function findParallelContainerd(): FoundContainerd {
  const programs = process.env.SHALE_CONTAINERD;
  const [major = 0, minor = 0] = readVersion(path.join(programs ?? '', 'containerd'));
  const isNew = major > 2 || (major === 2 && minor >= 2);
  return {
    programs,
    skip: isNew ? false : 'needs containerd 2.2, here or in the directory SHALE_CONTAINERD',
  };
}

/** The first number of its version; 0 where there is none. */
export function containerdMajor(programs: string | undefined): number {
  return readVersion(path.join(programs ?? '', 'containerd'))[0] ?? 0;
}

function readVersion(program: string): readonly number[] {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const [, ...version] = / v?(\d+)\.(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return version.map(Number);
}

export interface LabOptions {
  /** The directory of another containerd's programs than the machine's own. */
  readonly programs?: string | undefined;
  /** Whether Shale applies and makes layers, too; takes containerd 1.7.10. */
  readonly differ?: boolean;
  /** Whether the layers of an image are unpacked at once; takes containerd 2.2. */
  readonly rebase?: boolean;
  /** What a pod's own container is of, for Kubernetes' interface. */
  readonly sandboxImage?: string | undefined;
  /** Of the snapshots; the usual one, overlayfs, if absent. */
  readonly driver?: DriverName;
  /** More of the command line of `shale serve`. */
  readonly serve?: readonly string[];
}

export class ContainerdLab implements AsyncDisposable {
  readonly scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'shale-ctrd-')));
  /** containerd's; runc has one directory for all containerds, and in it one for each namespace. */
  readonly namespace = path.basename(this.scratch);
  readonly #options: LabOptions;
  #containerd: ChildProcess | undefined;
  #shale: ChildProcess | undefined;
  #log = '';

  private constructor(options: LabOptions) {
    this.#options = options;
  }

  static async start(options: LabOptions = {}): Promise<ContainerdLab> {
    const lab = new ContainerdLab(options);
    try {
      await lab.startShale();
      await lab.#startContainerd();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Below the data root of the daemon. */
  file(...names: string[]): string {
    return path.join(this.scratch, ...names);
  }

  /** What Shale and containerd have said. */
  get log(): string {
    return this.#log;
  }

  async startShale(): Promise<void> {
    const { differ = false, driver, serve = [] } = this.#options;
    const options = [
      ...[
        'serve',
        '--root',
        this.file('shale'),
        '--address',
        this.file('shale.sock'),
        '--log-level',
        'debug',
      ],
      ...(differ ? ['--containerd-address', this.file('containerd.sock')] : []),
      ...(driver === undefined ? [] : ['--driver', driver]),
      ...serve,
    ];
    const from = this.#log.length;
    this.#shale = this.#spawn(process.execPath, [bin, ...options], 'shale');
    await this.#until(this.#shale, () => this.#log.includes('"message":"serving"', from));
  }

  /** Returns when the process is gone. */
  async killShale(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await end(this.#shale, signal);
  }

  async #startContainerd(): Promise<void> {
    const { programs, differ = false, rebase = false, sandboxImage = 'none' } = this.#options;
    const text = formatConfig({
      ...{ major: containerdMajor(programs), differ, rebase, sandboxImage },
      ...{ root: this.file('root'), state: this.file('state'), socket: this.file('containerd.sock') },
      ...{ snapshotter: this.file('shale.sock'), hosts: this.file('hosts') },
    });
    writeFileSync(this.file('config.toml'), text);
    const from = this.#log.length;
    const config = ['--config', this.file('config.toml')];
    this.#containerd = this.#spawn(this.#program('containerd'), config, 'containerd');
    await this.#until(this.#containerd, () => this.#log.includes('containerd successfully booted', from));
  }

  /** Runs `ctr`, in the lab's own namespace unless `-n` comes first; what it printed. Rejects with what it said. */
  async ctr(...args: string[]): Promise<string> {
    const namespace = args[0] === '-n' ? [] : ['-n', this.namespace];
    const command = ['--address', this.file('containerd.sock'), ...namespace, ...args];
    const { stdout } = await promisify(execFile)(this.#program('ctr'), command, {
      env: this.#environment(),
      maxBuffer: 64 * 1024 * 1024,
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    return stdout;
  }

  /** `ctr snapshots …` */
  snapshots(...args: string[]): Promise<string> {
    return this.ctr('snapshots', '--snapshotter', 'shale', ...args);
  }

  /** The same until it works: while Shale is away it cannot. Rejects with the last failure. */
  async eventually(...args: string[]): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.ctr(...args);
      } catch (error) {
        if (attempt === 10) throw error;
        await sleep(200);
      }
    }
  }

  #program(name: string): string {
    return this.#options.programs === undefined ? name : path.join(this.#options.programs, name);
  }

  #environment(): NodeJS.ProcessEnv {
    const PATH = [this.#options.programs, process.env.PATH].filter(Boolean).join(path.delimiter);
    return { ...process.env, PATH, CONTAINERD_SNAPSHOTTER: 'shale' };
  }

  #spawn(program: string, args: readonly string[], name: string): ChildProcess {
    // Dies with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment(),
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text.replace(/^(?=.)/gm, `${name}: `);
      });
    }
    return child;
  }

  async #until(child: ChildProcess, isThere: () => boolean): Promise<void> {
    for (let waited = 0; waited < 20_000; waited += 20) {
      if (isThere()) return;
      if (child.exitCode !== null || child.signalCode !== null) break;
      await sleep(20);
    }
    throw new Error(`it did not start:\n${this.#log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#containerd, 'SIGKILL');
    // Shims outlive containerd, and containers with them.
    for (let round = 0; round < 50; round++) {
      const left = this.#processes();
      if (left.length === 0) break;
      for (const pid of left) kill(pid);
      await sleep(50);
    }
    await end(this.#shale, 'SIGKILL');
    for (const place of this.#mounts().reverse()) {
      await promisify(execFile)('umount', ['-l', place]).catch(() => {});
    }
    rmSync(this.scratch, { recursive: true, force: true });
    rmSync(`/run/containerd/runc/${this.namespace}`, { recursive: true, force: true });
    const groups = globSync(`/sys/fs/cgroup/{,*/,*/*/}${this.namespace}{/*,}`);
    for (const group of groups.sort().reverse()) await promisify(execFile)('rmdir', [group]).catch(() => {});
  }

  /** What runs from below the scratch directory: shims by their arguments, what they run by its root. */
  #processes(): number[] {
    const children = new Map<number, number[]>();
    const shims: number[] = [];
    for (const name of readdirSync('/proc').filter(name => /^[0-9]+$/.test(name))) {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
        if (command.includes('containerd-shim') && command.includes(this.scratch)) shims.push(Number(name));
      } catch {
        // It has just ended.
      }
    }
    const below = (pid: number): number[] =>
      (children.get(pid) ?? []).flatMap(child => [...below(child), child]);
    return shims.flatMap(shim => [...below(shim), shim]);
  }

  #mounts(): string[] {
    return readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map(line => line.split(' ')[4] ?? '')
      .filter(place => place.startsWith(`${this.scratch}/`));
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
