import { findProgram, runProgram } from '../../host/index.ts';
import type { ProbeOptions, VmmProbe } from '../machine.ts';
import { qemuProgram } from './program.ts';

export async function probeQemu(options: ProbeOptions = {}): Promise<VmmProbe> {
  const program = findProgram(qemuProgram);
  if (program === undefined) {
    return { usable: false, reason: `there is no ${qemuProgram}`, hint: 'install qemu-system-x86' };
  }
  const { stdout } = await runProgram(program, ['--version'], { signal: options.signal });
  const version = /version ([0-9.]+)/.exec(stdout.toString())?.[1];
  return { usable: true, program, version, acceleration: 'tcg' };
}
