import { findTimestampFrequency } from '../../host/index.ts';
import type { MachineOptions } from '../machine.ts';

/**
 * The kernel's command line. `panic=-1` with `-no-reboot`: a panic ends QEMU at once. The crypto self-tests take a fifth
 * of a boot under emulation. `random.trust_cpu`: RDRAND seeds the pool, so that nobody waits for entropy; what init gets
 * with RUN is added before the workload starts.
 */
const words = ['console=ttyS0', 'panic=-1', 'quiet', 'cryptomgr.notests', 'random.trust_cpu=on'];

export function commandLine(
  options: Pick<MachineOptions, 'channels' | 'commandLine' | 'acceleration' | 'cpus'>,
): string {
  const { channels, acceleration = 'tcg', cpus } = options;
  const emulated = acceleration === 'tcg' ? [...timestampWords(), ...patchWords(cpus)] : [];
  return [...words, ...emulated, `shale.channels=virtio:${channels}`, ...options.commandLine].join(' ');
}

/**
 * Under emulation the guest's time stamp counter is the host's. The kernel would measure it against the PIT, which fails
 * on a busy host, and then waits for a timer that never comes: 19 of 40 boots with four busy processes on two
 * processors, none of 24 when it is told. Nor may it doubt it later because the host was busy: it would go on with a clock of
 * 4 ms that loses time.
 */
function timestampWords(): string[] {
  const frequency = findTimestampFrequency();
  return frequency === undefined ? [] : [`tsc_early_khz=${frequency}`, 'tsc=reliable'];
}

/** With one processor the kernel would take the locks out of its own code, whose translations are then lost: 70 ms. */
function patchWords(cpus: number): string[] {
  return cpus === 1 ? ['noreplace-smp'] : [];
}
