import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assembleInitramfs, openKernel } from '../../src/kernel/index.ts';
import { commandLine } from '../../src/vmm/qemu/command-line.ts';
import type { Lab } from './lab.ts';

/** Milliseconds from the start of QEMU until the command's output and until QEMU's end. */
export interface HandRun {
  readonly output: number;
  readonly total: number;
}

export interface HandOptions {
  /** The disk: a squashfs with busybox. */
  readonly image: string;
  readonly machine: 'microvm' | 'q35';
  /** As Shale's zones have by default. */
  readonly memory?: string;
}

/** QEMU as somebody types it: the same kernel, flags and kind of initramfs as a zone's, and nothing of Shale. */
export class Hand {
  readonly command: readonly string[];
  readonly #state: string;

  private constructor(command: readonly string[], state: string) {
    // One of an earlier run may be of another kernel or image.
    rmSync(state, { force: true });
    this.command = command;
    this.#state = state;
  }

  /** Compiles its init; an Error where that cannot be done. */
  static async create(lab: Lab, { image, machine, memory = '512M' }: HandOptions): Promise<Hand> {
    const init = path.join(lab.directory, 'hand-init');
    const source = path.join(import.meta.dirname, 'hand.c');
    const compiled = spawnSync('cc', ['-static', '-Os', '-s', '-o', init, source], { encoding: 'utf8' });
    if (compiled.status !== 0) throw new Error(`no init: cc: ${compiled.stderr || compiled.error?.message}`);
    const kernel = await openKernel({ root: lab.root });
    const microvm = machine === 'microvm';
    const modules = [microvm ? 'virtio_mmio' : 'virtio_pci', 'virtio_blk', 'squashfs', 'overlay'];
    const initramfs = await assembleInitramfs({ root: lab.root, kernel, init, modules });
    const zone = commandLine({ channels: 0, commandLine: [], acceleration: 'tcg', cpus: 1 });
    const words = zone.replace(' shale.channels=virtio:0', '');
    const command = [
      'qemu-system-x86_64',
      ...(microvm ? ['-M', 'microvm,acpi=on,ioapic2=on,pic=off', '-bios', 'qboot.rom'] : ['-M', 'q35']),
      ...[
        '-accel',
        'tcg',
        '-cpu',
        'max,-erms,-la57',
        '-m',
        memory,
        '-nodefaults',
        '-no-user-config',
        '-nographic',
      ],
      ...['-no-reboot', '-kernel', (microvm ? kernel.vmlinux : kernel.bzImage) ?? ''],
      ...['-initrd', initramfs.path, '-serial', 'stdio'],
      ...['-drive', `if=none,id=image,file=${image},format=raw,readonly=on`],
      ...['-device', `virtio-blk-${microvm ? 'device' : 'pci'},drive=image`, '-append', words],
    ];
    return new Hand(command, path.join(lab.directory, `hand-${machine}.state`));
  }

  async cold(): Promise<HandRun> {
    return await watch(spawnQemu(this.command), () => {});
  }

  /** Out of a state that was saved before the command. */
  async warm(): Promise<HandRun> {
    if (!existsSync(this.#state)) await this.#save();
    const qemu = spawnQemu([...this.#holding(), '-incoming', `exec:cat ${this.#state}`]);
    // What arrives before the state does is lost with it.
    const knock = setInterval(() => qemu.stdin?.write('\n'), 5);
    return await watch(qemu, () => clearInterval(knock));
  }

  #holding(): string[] {
    return this.command.map((word, index) => (this.command[index - 1] === '-append' ? `${word} hold` : word));
  }

  async #save(): Promise<void> {
    const socket = `${this.#state}.monitor`;
    const qemu = spawnQemu([...this.#holding(), '-qmp', `unix:${socket},server=on,wait=off`]);
    let said = '';
    qemu.stdout?.on('data', chunk => {
      said += chunk;
    });
    while (!said.includes('holding')) {
      if (qemu.exitCode !== null) throw new Error(`QEMU by hand: ${said.slice(-300)}`);
      await sleep(10);
    }
    const monitor = createConnection(socket);
    let answers = '';
    monitor.on('data', chunk => {
      answers += chunk;
    });
    // QEMU breaks it off when it quits.
    monitor.on('error', () => {});
    await once(monitor, 'connect');
    const tell = (execute: string, words = {}) =>
      monitor.write(`${JSON.stringify({ execute, arguments: words })}\n`);
    tell('qmp_capabilities');
    tell('migrate', { uri: `exec:cat > ${this.#state}` });
    while (!answers.includes('"status": "completed"')) {
      if (answers.includes('"status": "failed"')) throw new Error(`QEMU by hand: ${answers.slice(-300)}`);
      await sleep(50);
      tell('query-migrate');
    }
    tell('quit');
    await once(qemu, 'close');
    monitor.destroy();
    rmSync(socket, { force: true });
  }
}

function spawnQemu([program, ...words]: readonly string[]): ChildProcess {
  const qemu = spawn(program!, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  // Nobody reads it any more once the machine is off.
  qemu.stdin.on('error', () => {});
  return qemu;
}

/** A boot that hangs is one less: what it says is in the error. */
async function watch(qemu: ChildProcess, onOutput: () => void): Promise<HandRun> {
  const begin = performance.now();
  const limit = setTimeout(() => qemu.kill('SIGKILL'), 30_000);
  let output = Number.NaN;
  let said = '';
  qemu.stdout?.on('data', chunk => {
    said += chunk;
    if (!Number.isNaN(output) || !said.includes('@marker')) return;
    output = performance.now() - begin;
    onOutput();
  });
  await once(qemu, 'close');
  onOutput();
  clearTimeout(limit);
  if (Number.isNaN(output)) throw new Error(`QEMU by hand: ${said.slice(-300)}`);
  return { output, total: performance.now() - begin };
}
