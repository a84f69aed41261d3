import { findProgram, runProgram } from '../../host/index.ts';
import { VmmError } from '../error.ts';

export interface VersionRule {
  /** The program's name on PATH. */
  readonly program: string;
  /** What it is called in messages. */
  readonly name: string;
  /** The first version that will do, as major and minor number, and why no earlier one. */
  readonly least: readonly [number, number];
  readonly why: string;
  readonly where: string;
}

export interface FoundProgram {
  readonly path: string;
  readonly version: string;
}

/** VmmError `unsupported` if there is no program, or none that has the version. */
export function requireProgram({ program, name, where }: VersionRule): string {
  const path = findProgram(program);
  if (path !== undefined) return path;
  throw new VmmError('unsupported', `${name} is not installed`, {
    hint: `put ${program} on PATH (${where}), or use --vmm qemu`,
  });
}

/** The program with its version, which it is asked for, whether it will do or not. VmmError `unsupported` if there is none. */
export async function findVersion(rule: VersionRule, signal?: AbortSignal): Promise<FoundProgram> {
  const path = requireProgram(rule);
  const { stdout } = await runProgram(path, ['--version'], { timeout: 5000, signal });
  const version = /\bv?([0-9]+\.[0-9]+(?:\.[0-9]+)?)/.exec(stdout.toString())?.[1];
  if (version === undefined) {
    throw new VmmError('unsupported', `${path} does not say which version it is`, {
      hint: `is it ${rule.name}? put another one first on PATH`,
    });
  }
  return { path, version };
}

/** VmmError `unsupported` if that version is too old. */
export function requireVersion({ name, least, why, where }: VersionRule, version: string): void {
  if (isAtLeast(version, least)) return;
  throw new VmmError('unsupported', `${name} ${version} is too old: ${why}`, {
    hint: `install ${least.join('.')} or later (${where})`,
    detail: { version, least: least.join('.') },
  });
}

/** Compares versions of dotted numbers by their first two. */
export function isAtLeast(version: string, least: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version
    .replace(/^v/, '')
    .split('.')
    .map(part => Number.parseInt(part, 10));
  return major > least[0] || (major === least[0] && minor >= least[1]);
}
