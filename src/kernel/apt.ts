import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, isRoot, runProgram } from '../host/index.ts';
import { KernelError } from './error.ts';
import type { InstallProgress } from './progress.ts';
import { hashFile } from './source.ts';

/** Debian's kernel for virtual machines: a package that depends on the newest one. */
export const defaultPackage = 'linux-image-cloud-amd64';

export interface AptPackage {
  readonly name: string;
  readonly version: string;
  /** As apt's signed index has it. */
  readonly sha256: string | undefined;
}

/** Packages that depend on packages that depend on kernels; nobody needs more. */
const mostSteps = 4;
const downloadTimeout = 30 * 60 * 1000;

/**
 * The package that has the kernel: the one that is named, or what it depends on. KernelError `not-found` where there is no
 * apt, or it does not know the package.
 */
export async function resolvePackage(name: string, signal?: AbortSignal): Promise<AptPackage> {
  if (findProgram('apt-get') === undefined || findProgram('apt-cache') === undefined) {
    throw new KernelError('not-found', 'there is no apt on this machine to fetch a kernel with', {
      hint: 'fetch a package linux-image-…-cloud-amd64 of Debian elsewhere, and give it: shale zone kernel install FILE.deb',
    });
  }
  let wanted = name;
  for (let step = 0; step < mostSteps; step++) {
    const found = await showPackage(wanted, signal);
    const next = found.depends.find(depends => depends.startsWith('linux-image-'));
    if (next === undefined) return found;
    wanted = next;
  }
  throw new KernelError('invalid', `${name} depends on no kernel`, { detail: { package: name } });
}

async function showPackage(
  name: string,
  signal?: AbortSignal,
): Promise<AptPackage & { readonly depends: readonly string[] }> {
  const shown = await runProgram('apt-cache', ['show', '--no-all-versions', '--', name], { signal });
  const text = shown.stdout.toString('utf8').split(/\n\n/, 1)[0]!;
  const field = (key: string) => new RegExp(`^${key}: *(.*)$`, 'm').exec(text)?.[1]?.trim();
  const version = field('Version');
  if (shown.status !== 0 || version === undefined || field('Package') !== name) {
    throw new KernelError('not-found', `apt knows no package ${name}`, {
      detail: { package: name },
      hint: 'run apt-get update as root first, or give a package: shale zone kernel install FILE.deb',
    });
  }
  const depends = (field('Depends') ?? '').split(',').map(part => part.trim().split(/[ |(:]/, 1)[0]!);
  return { name, version, sha256: field('SHA256'), depends };
}

/**
 * Has apt fetch a package into a directory of ours, from wherever it is configured to, without installing anything. Returns the
 * file. KernelError: `unavailable` if apt fails, `corrupt` if the file is not what its index says.
 */
export async function downloadPackage(
  { name, version, sha256 }: AptPackage,
  directory: string,
  { onProgress, signal }: InstallProgress,
): Promise<string> {
  onProgress?.({ step: 'download', what: name, bytes: 0 });
  // As root apt would do this as a user of its own, who may not write to our directory.
  const sandbox = isRoot() ? ['-o', 'APT::Sandbox::User=root'] : [];
  const words = ['-q', ...sandbox, 'download', '--', `${name}=${version}`];
  const done = await runProgram('apt-get', words, { directory, signal, timeout: downloadTimeout });
  const files = readdirSync(directory).filter(file => file.endsWith('.deb'));
  if (done.status !== 0 || files.length !== 1) {
    const said = /^E: (.*)$/m.exec(done.stderr.toString('utf8'))?.[1];
    throw new KernelError(
      'unavailable',
      `apt-get could not fetch ${name}${said === undefined ? '' : `: ${said}`}`,
      {
        detail: { package: name, version, status: done.status, said },
        hint: 'see whether apt-get update works on this machine',
      },
    );
  }
  const path = join(directory, files[0]!);
  const digest = await hashFile(path, signal);
  if (sha256 !== undefined && digest !== `sha256:${sha256}`) {
    throw new KernelError('corrupt', `${name} is not what apt's index says: its digest differs`, {
      detail: { expected: `sha256:${sha256}`, actual: digest },
      hint: 'try again',
    });
  }
  return path;
}
