import { readFileSync } from 'node:fs';

/**
 * The frequency of the processor's time stamp counter in kHz, where the system tells it: in a virtual machine, whose
 * "cpu MHz" is that of the counter. On bare metal it is the momentary frequency, which says nothing.
 */
export function findTimestampFrequency(): number | undefined {
  if (process.arch !== 'x64') return undefined;
  try {
    const text = readFileSync('/proc/cpuinfo', 'latin1');
    const flags = /^flags\s*:(.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
    const megahertz = /^cpu MHz\s*:\s*([0-9]+\.[0-9]+)$/m.exec(text)?.[1];
    if (megahertz === undefined || !flags.includes('hypervisor') || !flags.includes('constant_tsc'))
      return undefined;
    return Math.round(Number(megahertz) * 1000) || undefined;
  } catch {
    return undefined;
  }
}
