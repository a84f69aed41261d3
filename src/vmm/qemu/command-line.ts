import type { MachineOptions } from '../machine.ts';

/**
 * The kernel's command line. `panic=-1` with `-no-reboot`: a panic ends QEMU at once. The crypto self-tests take a fifth
 * of a boot under emulation. `random.trust_cpu`: RDRAND seeds the pool, so that nobody waits for entropy; what init gets
 * with RUN is added before the workload starts.
 */
const words = ['console=ttyS0', 'panic=-1', 'quiet', 'cryptomgr.notests', 'random.trust_cpu=on'];

export function commandLine(options: Pick<MachineOptions, 'channels' | 'commandLine'>): string {
  return [...words, `shale.channels=virtio:${options.channels}`, ...options.commandLine].join(' ');
}
