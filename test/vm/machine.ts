import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { fileTypes, writeInitramfs } from '../../src/initramfs/index.ts';
import { installKernel, type Kernel } from '../../src/kernel/index.ts';
import { byteString } from '../../src/tree/index.ts';
import { type Machine, vmmDriver } from '../../src/vmm/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { filesWord, firstInit, secondsWord, variableWord } from './init.ts';
import { GuestOutput } from './output.ts';
import { makeRootImage } from './root-image.ts';

/** A kernel for guests: a .deb, or a directory with one unpacked; that of this machine if it has one. */
const kernelSource =
  process.env.SHALE_TEST_KERNEL ?? (globSync('/boot/vmlinuz-*-cloud-*').length > 0 ? '/' : undefined);

/** The reason to skip what needs a virtual machine with a kernel of its own, and these programs of ours in it. */
export function requiresGuest(programs: readonly string[]): string | false {
  const tools = ['qemu-system-x86_64', 'busybox', 'mke2fs', 'ldd', ...programs];
  return (
    requires({ tools }) || (kernelSource === undefined && 'no kernel: SHALE_TEST_KERNEL names a .deb of one')
  );
}

export interface GuestRun {
  /** Test files, from the top of the repository. */
  readonly files: readonly string[];
  /** Modules of the kernel, or paths of some that it came without. Loaded in this order; what the kernel's own need comes by itself. */
  readonly modules: readonly string[];
  /** Bytes of an ext4 for temporary files; these are in memory if not given. It takes mkfs.ext4. */
  readonly temporary?: number;
  /** Variables for the tests, of plain words. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How long all files together may run. Under emulation, on a busy machine, a minute of work takes that long. */
const runSeconds = 480;
/** How long a test may take that runs a guest, in milliseconds. */
export const guestTimeout = 580_000;

/** How long a guest may take to its first word. Seen: two to four seconds; on a busy machine three times that. */
const bootSeconds = 45;
const MiB = 2 ** 20;

/**
 * Virtual machines that run files of tests under Debian's kernel, emulated: whatever this machine's own kernel lacks. Root filesystem
 * and kernel are made once; each run has a copy of its own.
 */
export class Guests implements Disposable {
  readonly #scratch = createScratch();
  readonly #programs: readonly string[];
  readonly #tree: string | undefined;
  #kernel: Kernel | undefined;
  #runs = 0;
  readonly #dispose = () => this[Symbol.dispose]();

  /** Programs of this machine that the tests call, beyond what busybox has; and a directory of others, with their libraries. */
  constructor(programs: readonly string[], tree?: string) {
    this.#programs = programs;
    this.#tree = tree;
    process.on('exit', this.#dispose);
  }

  /** What the files wrote until the machine was off, or its time over. A machine that says nothing at all gets a second chance. */
  async run(run: GuestRun): Promise<GuestOutput> {
    const first = await this.#try(run);
    return first.begun ? first : await this.#try(run);
  }

  async #try({ files, modules, temporary, environment }: GuestRun): Promise<GuestOutput> {
    const kernel = await this.#prepare();
    this.#runs += 1;
    const at = (name: string) => this.#scratch.at(`${this.#runs}-${name}`);
    mkdirSync(at('machine'), { mode: 0o700 });
    writeFileSync(at('initramfs'), await this.#initramfs(kernel, modules));
    copyFileSync(this.#scratch.at('root'), at('root'));
    const images = [at('root')];
    if (temporary !== undefined) {
      writeFileSync(at('temporary'), '');
      truncateSync(at('temporary'), temporary);
      images.push(at('temporary'));
    }
    const driver = await vmmDriver('qemu');
    const machine = await driver.start({
      directory: at('machine'),
      kernel,
      initramfs: at('initramfs'),
      disks: images.map(path => ({ path, readOnly: false })),
      commandLine: [
        `${filesWord}${files.join()}`,
        `${secondsWord}${runSeconds}`,
        ...Object.entries({ ...environment, ...seed() }).map(
          ([name, value]) => `${variableWord}${name}=${value}`,
        ),
      ],
      ...{ memory: 1024 * MiB, cpus: 2, channels: 1, network: 'none', machine: 'q35' },
    });
    try {
      return await follow(machine, bootSeconds + runSeconds);
    } finally {
      await machine.kill();
      for (const path of images) rmSync(path);
    }
  }

  async #prepare(): Promise<Kernel> {
    if (this.#kernel !== undefined) return this.#kernel;
    makeRootImage(this.#scratch.at('root'), {
      directory: this.#scratch.at('files'),
      programs: this.#programs,
      tree: this.#tree,
    });
    this.#kernel = await installKernel({ root: this.#scratch.at('cache'), from: kernelSource });
    return this.#kernel;
  }

  async #initramfs(kernel: Kernel, wanted: readonly string[]): Promise<Uint8Array> {
    const devices = (await vmmDriver('qemu')).modules({ network: 'none', machine: 'q35' });
    const own = await kernel.modules.resolve([...devices, ...wanted.filter(name => !name.includes('/'))]);
    const others = wanted
      .filter(name => name.includes('/'))
      .map(path => ({ name: path.split('/').at(-1)!.replace(/\.ko$/, ''), bytes: readFileSync(path) }));
    const modules = [...own, ...others];
    const busybox = spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).stdout.trim();
    const file = (name: string, content: Uint8Array) => ({
      path: byteString(name),
      mode: fileTypes.file + 0o755,
      content,
    });
    return writeInitramfs([
      ...['bin', 'dev', 'm', 'root'].map(name => ({
        path: byteString(name),
        mode: fileTypes.directory + 0o755,
      })),
      { path: byteString('dev/console'), mode: 0o020600, device: { major: 5, minor: 1 } },
      file('bin/busybox', readFileSync(busybox)),
      file('init', Buffer.from(firstInit)),
      file('modules', Buffer.from(modules.map(({ name }) => `${name}\n`).join(''))),
      ...modules.map(({ name, bytes }) => file(`m/${name}.ko`, bytes)),
    ]);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#dispose);
    this.#scratch[Symbol.dispose]();
  }
}

/** Random tests of the guest take theirs as those of the host do. */
function seed(): Readonly<Record<string, string>> {
  const { SEED, COUNT } = process.env;
  return { ...(SEED !== undefined && { SEED }), ...(COUNT !== undefined && { COUNT }) };
}

async function follow(machine: Machine, seconds: number): Promise<GuestOutput> {
  const output = new GuestOutput();
  const end = () => {
    try {
      process.kill(machine.record.process.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  // Should this process end before, nobody else would end the machine; and the test runner ends it by a signal.
  const leave = () => process.exit(1);
  process.on('exit', end);
  process.on('SIGTERM', leave);
  process.on('SIGINT', leave);
  const boot = setTimeout(() => output.begun || end(), bootSeconds * 1000);
  const whole = setTimeout(end, seconds * 1000);
  try {
    using channel = await machine.connect(0);
    for await (const bytes of channel.read()) output.add(bytes);
    await machine.ended;
    output.console = machine.console.text;
    return output;
  } finally {
    clearTimeout(boot);
    clearTimeout(whole);
    process.off('exit', end);
    process.off('SIGTERM', leave);
    process.off('SIGINT', leave);
  }
}
