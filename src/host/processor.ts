import { readFileSync } from 'node:fs';

/**
 * The frequency of the processor's time stamp counter in kHz, if it is constant. It is half of what Linux calls
 * "bogomips", which on such a processor is computed from the counter's frequency: to a hundredth, so to 5 kHz.
 * ("cpu MHz" is what the processor does at the moment, and says nothing of the counter.)
 */
export function findTimestampFrequency(): number | undefined {
  if (process.arch !== 'x64') return undefined;
  try {
    const text = readFileSync('/proc/cpuinfo', 'latin1');
    const flags = /^flags\s*:(.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
    const bogomips = /^bogomips\s*:\s*([0-9]+\.[0-9]+)$/m.exec(text)?.[1];
    if (bogomips === undefined || !flags.includes('constant_tsc')) return undefined;
    return Math.round(Number(bogomips) * 500) || undefined;
  } catch {
    return undefined; // no /proc
  }
}
