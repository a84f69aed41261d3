import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, isRoot, removeTree, runProgram, temporaryRoot } from '../../host/index.ts';
import { checkAbort, VmmError } from '../error.ts';
import type { Machine, MachineOptions, ProbeOptions, VmmProbe } from '../machine.ts';
import { trialEnd, trialExitCode, trialInitramfs } from './trial.ts';

/** Names of the kernel as a program. */
const names = ['linux.uml', 'linux'];

/** `nobody`: whoever a zone's kernel runs as has no more rights. */

const nobody = { uid: 65534, gid: 65534 };

/**
 * Which User-Mode Linux there is, and whether it runs programs. It keeps their registers in a place of fixed size and
 * (in 6.1 at least) cannot set them on a processor that has more, AMX, which nothing but a program brings to light.
 */
export async function probeUml(
  start: (options: MachineOptions) => Promise<Machine>,
  options: ProbeOptions = {},
): Promise<VmmProbe> {
  const { signal } = options;
  const named = options.kernel?.vmlinux;
  const program = (named === undefined ? names : [named]).map(findProgram).find(found => found !== undefined);
  if (program === undefined) {
    return { usable: false, reason: 'there is no linux.uml', hint: 'install user-mode-linux' };
  }
  try {
    const { stdout, status } = await runProgram(program, ['--version'], { signal, timeout: 5000 });
    const version = /^\d+\.\d+\S*/.exec(stdout.toString().trim())?.[0];
    if (status !== 0 || version === undefined) {
      return { usable: false, program, reason: `${program} is no User-Mode Linux` };
    }
    const reason = await whyNotUsable(start, program, options);
    return { usable: reason === undefined, program, version, ...(reason !== undefined && { reason }) };
  } catch (error) {
    checkAbort(signal);
    if (!(error instanceof Error)) throw error;
    return { usable: false, program, reason: error.message };
  }
}

async function whyNotUsable(
  start: (options: MachineOptions) => Promise<Machine>,
  program: string,
  { timeout = 3000, signal }: ProbeOptions,
): Promise<string | undefined> {
  const place = mkdtempSync(join(temporaryRoot(), 'shale-probe-'));
  const [directory, initramfs] = [join(place, 'machine'), join(place, 'initramfs')];
  let machine: Machine | undefined;
  try {
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(initramfs, trialInitramfs(), { mode: 0o644 });
    machine = await start({
      ...{ directory, initramfs, kernel: { vmlinux: program }, commandLine: [], disks: [], signal },
      ...{ memory: 64 * 2 ** 20, cpus: 1, channels: 0, network: 'none' },
      user: isRoot() ? nobody : undefined,
    });
    const late = Symbol();
    const ended = await Promise.race([machine.ended, sleep(timeout, late, { ref: false })]);
    const text = machine.console.text;
    if (trialEnd.exec(text)?.[1] === trialExitCode) return undefined;
    if (/ptrace set fp regs failed/.test(text))
      return 'it runs no program on this processor (its AMX registers have no place)';
    if (ended === late) return `it ran no program within ${timeout / 1000} s`;
    return 'it ran no program';
  } catch (error) {
    if (!(error instanceof VmmError) || error.code === 'cancelled') throw error;
    return error.message;
  } finally {
    await machine?.kill();
    removeTree(place);
  }
}
