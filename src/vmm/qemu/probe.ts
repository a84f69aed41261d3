import { accessSync, constants, mkdtempSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, isRoot, removeTree, runProgram, temporaryRoot } from '../../host/index.ts';
import { VmmError } from '../error.ts';
import type { Machine, MachineOptions, ProbeOptions, VmmProbe } from '../machine.ts';
import { qemuProgram } from './program.ts';

/** `nobody`: whoever a zone's hypervisor runs as has no more rights. */
const nobody = { uid: 65534, gid: 65534 };
const kvm = '/dev/kvm';

/** Which QEMU there is, and whether a kernel shows signs of life under KVM. Without a kernel that is not known: `tcg`. */
export async function probeQemu(
  start: (options: MachineOptions) => Promise<Machine>,
  options: ProbeOptions = {},
): Promise<VmmProbe> {
  const program = findProgram(qemuProgram);
  if (program === undefined) {
    return { usable: false, reason: `there is no ${qemuProgram}`, hint: 'install qemu-system-x86' };
  }
  try {
    const { stdout, status } = await runProgram(program, ['--version'], {
      signal: options.signal,
      timeout: 5000,
    });
    const version = /version ([0-9.]+)/.exec(stdout.toString())?.[1];
    if (status !== 0 || version === undefined)
      return { usable: false, program, reason: `${program} does not run` };
    const reason = await whyNotKvm(start, options);
    if (reason === undefined) return { usable: true, program, version, acceleration: 'kvm' };
    return { usable: true, program, version, acceleration: 'tcg', reason };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    return { usable: false, program, reason: (error as Error).message };
  }
}

async function whyNotKvm(
  start: (options: MachineOptions) => Promise<Machine>,
  options: ProbeOptions,
): Promise<string | undefined> {
  const { kernel, initramfs } = options;
  try {
    accessSync(kvm, constants.R_OK | constants.W_OK);
  } catch {
    return `there is no ${kvm} that may be used`;
  }
  if (kernel === undefined || initramfs === undefined)
    return 'KVM was not tried: there is no kernel to try it with';
  const directory = mkdtempSync(join(temporaryRoot(), 'shale-probe-'));
  try {
    return (await showsLife(start, { ...options, kernel, initramfs }, directory))
      ? undefined
      : `${kvm} opens, but no kernel boots under it`;
  } catch (error) {
    if (!(error instanceof VmmError) || error.code === 'cancelled') throw error;
    return `KVM: ${error.message}`;
  } finally {
    removeTree(directory);
  }
}

/** Boots a kernel that talks from its first instructions on, and waits for a word of it. */
async function showsLife(
  start: (options: MachineOptions) => Promise<Machine>,
  options: Required<Pick<ProbeOptions, 'kernel' | 'initramfs'>> & ProbeOptions,
  directory: string,
): Promise<boolean> {
  const { kernel, initramfs, timeout = 3000, signal } = options;
  const machine = await start({
    ...{ directory, kernel: kernel!, initramfs: initramfs!, signal, acceleration: 'kvm', network: 'none' },
    machine: kernel!.vmlinux === undefined ? 'q35' : 'microvm',
    ...{ memory: 128 * 2 ** 20, cpus: 1, channels: 1, disks: [] },
    commandLine: ['earlyprintk=ttyS0', 'ignore_loglevel'],
    user: isRoot() ? nobody : undefined,
  });
  let clock: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const look = () => /Linux version/.test(machine.console.text) && resolve(true);
      machine.console.onData(look);
      look();
      machine.ended.then(({ stderr }) =>
        // The first line says why, those after it what came of that.
        reject(new VmmError('unavailable', stderr.trim().split('\n', 1)[0] || 'QEMU has ended')),
      );
      clock = setTimeout(() => resolve(false), timeout);
      abort = () => reject(new VmmError('cancelled', 'cancelled', { cause: signal?.reason }));
      signal?.addEventListener('abort', abort, { once: true });
    });
  } finally {
    clearTimeout(clock);
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
    await machine.kill();
  }
}

/** The group that may use KVM, for a hypervisor that runs as nobody in particular. */
export function kvmGroups(): number[] {
  const stats = statSync(kvm, { throwIfNoEntry: false });
  return stats === undefined ? [] : [stats.gid];
}
