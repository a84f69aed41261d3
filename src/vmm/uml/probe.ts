import { findProgram, runProgram } from '../../host/index.ts';
import type { ProbeOptions, VmmProbe } from '../machine.ts';

/** Names of the kernel as a program. */
const names = ['linux.uml', 'linux'];

/** Whether there is a kernel, and of which version. It needs nothing else of the machine. */
export async function probeUml(options: ProbeOptions = {}): Promise<VmmProbe> {
  const named = options.kernel?.vmlinux;
  const program = (named === undefined ? names : [named]).map(findProgram).find(found => found !== undefined);
  if (program === undefined) {
    return { usable: false, reason: 'there is no linux.uml', hint: 'install user-mode-linux' };
  }
  try {
    const { stdout, status } = await runProgram(program, ['--version'], {
      signal: options.signal,
      timeout: 5000,
    });
    const version = /^\d+\.\d+\S*/.exec(stdout.toString().trim())?.[0];
    if (status === 0 && version !== undefined) return { usable: true, program, version };
    return { usable: false, program, reason: `${program} is no User-Mode Linux` };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    return { usable: false, program, reason: (error as Error).message };
  }
}
