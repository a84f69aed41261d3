import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { bin, cleanEnvironment, type Ended, layer, temporary, writeImage } from '../cli/fixture.ts';
import { requires } from '../requirement.ts';

/** The hypervisors that tests boot: User-Mode Linux needs nothing, QEMU a kernel. */
export type TestVmm = 'uml' | 'qemu';

/** A kernel for QEMU: a .deb, or a directory with one unpacked; that of this machine if it has one. */
const kernelSource =
  process.env.SHALE_TEST_KERNEL ?? (globSync('/boot/vmlinuz-*-cloud-*').length > 0 ? '/' : undefined);

export function requiresMachine(vmm: TestVmm): string | false {
  const tools = requires({
    tools: vmm === 'uml' ? ['linux.uml', 'busybox'] : ['qemu-system-x86_64', 'busybox'],
  });
  if (tools !== false) return tools;
  if (vmm === 'uml') return !runsUml() && 'User-Mode Linux does not run on this processor';
  return kernelSource === undefined && 'no kernel: SHALE_TEST_KERNEL names a .deb of one';
}

let umlRuns: boolean | undefined;

/** The one of Linux 6.1 starts no process where the processor's registers are larger than it knows (AMX). */
export function runsUml(): boolean {
  if (umlRuns !== undefined) return umlRuns;
  const options = [
    'mem=64M',
    'root=/dev/root',
    'rootfstype=hostfs',
    'init=/bin/true',
    'con=null',
    'con0=null,fd:1',
  ];
  // It panics in any case: that its first process ends is enough to know.
  const { stdout } = spawnSync('linux.uml', options, { encoding: 'latin1', timeout: 10_000, input: '' });
  umlRuns = (stdout ?? '').includes('exitcode=0x00000000');
  return umlRuns;
}

/** A busybox with users, an environment of its own and a file to delete: what zones of tests run. */
export function busyboxLayer(): Buffer {
  const busybox = readFileSync(
    spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).stdout.trim(),
  );
  const applets = spawnSync('busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  const links = applets
    .filter(name => name !== 'busybox')
    .map(name => [`bin/${name}`, { type: 'symlink', linkpath: 'busybox', mode: 0o777 }] as const);
  return layer({
    ...{ 'bin/': {}, 'etc/': {}, 'tmp/': { mode: 0o1777 }, 'dev/': {}, 'proc/': {}, 'sys/': {} },
    'bin/busybox': { content: busybox, mode: 0o755 },
    ...Object.fromEntries(links),
    'etc/passwd': { content: 'root:x:0:0::/:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n', mode: 0o644 },
    'etc/group': { content: 'root:x:0:\napp:x:1000:\nstaff:x:50:app\n', mode: 0o644 },
    'etc/doomed': { content: 'doomed\n', mode: 0o644 },
    ...{ 'home/': {}, 'home/app/': { uid: 1000, gid: 1000 }, 'srv/': {} },
  });
}

export interface Machines extends Disposable {
  /** Runs the command line to its end. */
  shale(
    args: readonly string[],
    options?: { readonly input?: Uint8Array; readonly env?: NodeJS.ProcessEnv },
  ): Promise<Ended>;
  /** The same, as a child whose streams are the test's. */
  start(args: readonly string[]): ChildProcess;
  /** On a terminal of its own: see test/cli/zone/on-terminal.py. */
  onTerminal(args: readonly string[], steps: readonly object[]): Promise<{ status: number; text: string }>;
  /** The cache. */
  readonly root: string;
  /** A file or directory of the test's. */
  file(name: string): string;
}

/** A cache with an image `app`, and the flags of one hypervisor for every `run`. */
export async function createMachines(vmm: TestVmm): Promise<Machines> {
  const directory = temporary();
  const root = directory.file('root');
  const complete = (args: readonly string[]) =>
    args[0] === 'run' ? ['run', '--vmm', vmm, '-q', ...args.slice(1)] : args;
  const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    spawn(process.execPath, [bin, ...complete(args)], {
      env: cleanEnvironment({ ...env, SHALE_ROOT: root }),
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
  const shale: Machines['shale'] = async (args, { input, env } = {}) => {
    const child = start(args, env);
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return await collect(child);
  };
  const expectSuccess = async (...args: string[]) => {
    const { status, stderr } = await shale(args);
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  };
  const config = {
    config: {
      Cmd: ['sh', '-c', 'echo $FROM $PWD; id -u; id -G'],
      Env: ['PATH=/bin', 'FROM=image'],
      WorkingDir: '/srv',
    },
  };
  const source = await writeImage(directory.file('image'), [busyboxLayer()], config);
  await expectSuccess('copy', source, 'cache:app', '-q');
  if (vmm === 'qemu') await expectSuccess('zone', 'kernel', 'install', kernelSource!, '-q');
  return {
    ...{ root, shale, start, file: directory.file },
    onTerminal: async (args, steps) => {
      const script = path.join(import.meta.dirname, '..', 'cli', 'zone', 'on-terminal.py');
      const child = spawn('python3', [script, process.execPath, bin, ...complete(args)], {
        env: cleanEnvironment({ TERM: 'xterm', SHALE_ROOT: root }),
        timeout: 60_000,
      });
      child.stdin.end(JSON.stringify(steps));
      const { status, stdout, stderr } = await collect(child);
      if (status !== 0) throw new Error(stderr);
      const report = JSON.parse(stdout.toString()) as { status: number; text: string };
      return { status: report.status, text: Buffer.from(report.text, 'hex').toString() };
    },
    [Symbol.dispose]: () => {
      // A test that failed may have left some.
      spawnSync(process.execPath, [bin, 'zone', 'rm', '--all', '--force', '-q'], {
        env: cleanEnvironment({ SHALE_ROOT: root }),
      });
      directory[Symbol.dispose]();
    },
  };
}

/** All that a child wrote, and how it ended. */
export async function collect(child: ChildProcess): Promise<Ended> {
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout: Buffer.concat(stdout), stderr }));
  });
}

/** Resolves when the stream has shown the text; rejects when it ends without. */
export async function shown(stream: NodeJS.ReadableStream, text: string): Promise<void> {
  let all = '';
  await new Promise<void>((resolve, reject) => {
    stream.on('data', chunk => {
      all += chunk;
      if (all.includes(text)) resolve();
    });
    stream.on('close', () => reject(new Error(`ended without ${JSON.stringify(text)}: ${all}`)));
  });
}
