import { readFileSync } from 'node:fs';

let found: string | undefined | null = null;

/**
 * What names this run of the kernel. What was written but not synced has survived the death of its process if this is
 * still the same; after another boot it may be lost. `undefined` where the system does not tell.
 */
export function findBoot(): string | undefined {
  if (found !== null) return found;
  found = undefined;
  try {
    found = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim() || undefined;
  } catch {
    // no /proc
  }
  return found;
}
