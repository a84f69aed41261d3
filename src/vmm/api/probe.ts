import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { createTemporaryDirectory, temporaryRoot } from '../../host/index.ts';
import { checkAbort } from '../error.ts';
import type { Machine, MachineKernel, MachineOptions, ProbeOptions, VmmProbe } from '../machine.ts';
import { findKvmFault } from './kvm.ts';
import { findVersion, requireVersion, type VersionRule } from './version.ts';

const mebibyte = 1024 * 1024;

/** What a probe of any of these hypervisors does: program, version, device and, with a kernel, a boot. */
export async function probeProgram(
  rule: VersionRule,
  start: (options: MachineOptions) => Promise<Machine>,
  options: ProbeOptions = {},
): Promise<VmmProbe> {
  const { signal, kernel, initramfs } = options;
  const found: { program?: string; version?: string } = {};
  try {
    const { path, version } = await findVersion(rule, signal);
    Object.assign(found, { program: path, version });
    requireVersion(rule, version);
    const fault = findKvmFault();
    if (fault !== undefined) return { usable: false, ...found, ...fault };
    if (kernel === undefined || initramfs === undefined) {
      return { usable: true, reason: '/dev/kvm opens, no guest was tried', ...found };
    }
    await boot(start, kernel, initramfs, options);
    return { usable: true, acceleration: 'kvm', ...found };
  } catch (error) {
    checkAbort(signal);
    if (!(error instanceof ShaleError)) throw error;
    return {
      usable: false,
      ...found,
      reason: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
}

/** Any sign of life will do: a byte on the console, or somebody who listens. So it is no matter which init that is. */
async function boot(
  start: (options: MachineOptions) => Promise<Machine>,
  kernel: MachineKernel,
  initramfs: string,
  { timeout = 3000, signal }: ProbeOptions,
): Promise<void> {
  using temporary = createTemporaryDirectory(join(temporaryRoot(), 'probe'));
  const directory = join(temporary.path, 'machine');
  mkdirSync(directory, { mode: 0o700 });
  const shape = { memory: 128 * mebibyte, cpus: 1, channels: 1, network: 'none' } as const;
  const machine = await start({
    ...shape,
    directory,
    kernel,
    initramfs,
    commandLine: ['loglevel=7'],
    disks: [],
    signal,
  });
  const given = new AbortController();
  try {
    const heard = new Promise<void>(resolve => {
      if (machine.console.bytes.length > 0) resolve();
      else machine.console.onData(() => resolve());
    });
    const connection = machine.connect(0, {
      timeout,
      signal: AbortSignal.any([given.signal, ...(signal ? [signal] : [])]),
    });
    const answered = connection.then(channel => channel[Symbol.dispose]());
    await Promise.race([heard, answered]);
    answered.catch(() => {});
  } finally {
    given.abort();
    await machine.kill();
    machine.detach();
  }
}
