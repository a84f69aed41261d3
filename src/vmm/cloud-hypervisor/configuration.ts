import { guestCid, guestPort } from '../api/index.ts';
import { VmmError } from '../error.ts';
import type { MachineOptions } from '../machine.ts';

/** Names in the machine's directory. A saved state holds all but the first, so they never change. */
export const apiSocket = 'api.sock';
export const vsockSocket = 'vsock.sock';
export const consoleSocket = 'console.sock';
export const kernelName = 'kernel';

/** How the hypervisor reaches what it is to use. */
export interface GuestPaths {
  readonly initramfs: string;
  readonly disks: readonly string[];
}

/**
 * The whole machine, as `vm.create` takes it. Disks appear as vda, vdb, … in this order. That they are raw is said,
 * not guessed from what a guest has written. The serial port is a socket: it keeps what nobody reads in a ring of
 * memory, and never makes the guest wait.
 */
export function machineConfiguration(options: MachineOptions, { initramfs, disks }: GuestPaths): object {
  return {
    cpus: { boot_vcpus: options.cpus, max_vcpus: options.cpus },
    memory: { size: options.memory },
    payload: { kernel: kernelName, initramfs, cmdline: commandLine(options) },
    disks: options.disks.map(({ readOnly }, index) => ({
      id: `disk${index}`,
      path: disks[index]!,
      readonly: readOnly,
      image_type: 'Raw',
    })),
    rng: { src: '/dev/urandom' },
    serial: { mode: 'Socket', socket: consoleSocket },
    console: { mode: 'Off' },
    vsock: { cid: guestCid, socket: vsockSocket },
  };
}

function commandLine(options: MachineOptions): string {
  return [
    'console=ttyS0 quiet panic=-1 8250.nr_uarts=1 cryptomgr.notests random.trust_cpu=on',
    `shale.channels=vsock:${guestPort}`,
    ...options.commandLine,
  ].join(' ');
}

/** VmmError `unsupported` or `invalid` for what this hypervisor cannot do. */
export function checkOptions({ network, kernel, cpus, memory, disks }: MachineOptions): void {
  if (disks.length > mostDisks) throw new VmmError('exhausted', `a machine has at most ${mostDisks} disks`);
  if (network !== 'none') {
    throw new VmmError('unsupported', 'Cloud Hypervisor has no network without a tap device of the host', {
      hint: 'use --network none, or --vmm qemu for a network that needs no privilege',
    });
  }
  if (kernel.vmlinux === undefined) {
    throw new VmmError('unsupported', 'Cloud Hypervisor is given an uncompressed kernel (vmlinux) only', {
      hint: 'use a kernel that was installed with shale zone kernel install',
    });
  }
  if (!Number.isInteger(cpus) || cpus < 1) {
    throw new VmmError('invalid', `${cpus} is no number of processors`, { detail: { cpus } });
  }
  // KVM maps whole pages; 2 MiB keeps large ones possible.
  if (!(memory >= granularity) || memory % granularity !== 0) {
    throw new VmmError('invalid', `${memory} bytes of memory are no multiple of ${granularity}`, {
      detail: { memory },
    });
  }
}

/** A PCI bus has 32 slots, a few are taken; and disks have one letter. */
const mostDisks = 24;
const granularity = 2 * 1024 * 1024;
