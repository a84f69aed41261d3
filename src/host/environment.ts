import { readFileSync } from 'node:fs';
import { availableParallelism, endianness, tmpdir } from 'node:os';
import type { Timestamp } from '../tree/index.ts';
import { HostError } from './error.ts';

/** A variable of the environment; set but empty counts as not set, as for most tools. */
export function findVariable(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** A variable as it is, for whoever hands it on; `undefined` only if there is none. */
export function inheritVariable(name: string): string | undefined {
  return process.env[name];
}

/** All variables, for a program that is to have ours. */
export function inheritedEnvironment(): Readonly<Record<string, string | undefined>> {
  return { ...process.env };
}

/** Where temporary files go: TMPDIR, else the system's own. */
export function temporaryRoot(): string {
  return tmpdir();
}

/** How many threads can run at once, as far as the process may use the machine. At least 1. */
export function parallelism(): number {
  return Math.max(1, availableParallelism());
}

/** Whether the effective user is root. It may still lack capabilities; only trying tells. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * The time that SOURCE_DATE_EPOCH sets (reproducible-builds.org specification): whole seconds in decimal. Anything
 * else in the variable is an `invalid` error: to ignore it would be to build something else than was asked for.
 */
export function findSourceDateEpoch(): Timestamp | undefined {
  const text = findVariable('SOURCE_DATE_EPOCH');
  if (text === undefined) return undefined;
  const seconds = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seconds)) {
    throw new HostError('invalid', `SOURCE_DATE_EPOCH is ${JSON.stringify(text)}, not a number of seconds`, {
      detail: { variable: 'SOURCE_DATE_EPOCH', value: text },
      hint: 'set it to the seconds since 1970, such as $(git log -1 --format=%ct), or unset it',
    });
  }
  return { seconds, nanoseconds: 0 };
}

const systems: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' };
const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: endianness() === 'BE' ? 'ppc64' : 'ppc64le',
  mipsel: 'mipsle',
};

/** The machine in the words of OCI's `platform` (GOOS, GOARCH); `variant` only where the architecture has one. */
export function hostPlatform(): { os: string; architecture: string; variant?: string } {
  const os = systems[process.platform] ?? process.platform;
  const architecture = architectures[process.arch] ?? process.arch;
  if (process.arch === 'arm64') return { os, architecture, variant: 'v8' };
  if (process.arch === 'arm') {
    const { arm_version: version = '7' } = process.config.variables as { arm_version?: string };
    return { os, architecture, variant: `v${version}` };
  }
  return { os, architecture };
}

/** The file mode creation mask. Read from /proc where there is one: `process.umask()` changes it for a moment. */
export function umask(): number {
  try {
    const mask = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    if (mask !== undefined) return Number.parseInt(mask, 8);
  } catch {
    // no /proc
  }
  return process.umask();
}
