import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { findProgram, runProgram } from '../host/index.ts';
import { parseDigest } from '../oci/index.ts';
import { parseRelease } from './bz-image.ts';
import { KernelError } from './error.ts';
import { openModules, recall } from './file.ts';
import type { Kernel } from './kernel.ts';
import { KernelPlace } from './place.ts';
import { hashFile } from './source.ts';

/** What Debian and others call User-Mode Linux. */
const programs = ['linux.uml', 'linux'];

export interface OpenUmlKernelOptions {
  /** The cache's, which then remembers what was found out of the program. */
  readonly root?: string | undefined;
  /** The program's name or path; the one on PATH if not given. */
  readonly kernel?: string | undefined;
}

/** User-Mode Linux: a kernel that is a program; `vmlinux` is its path. KernelError `not-found`, `invalid`. */
export async function openUmlKernel(options: OpenUmlKernelOptions = {}): Promise<Kernel> {
  const names = options.kernel === undefined ? programs : [options.kernel];
  const path = names.map(findProgram).find(found => found !== undefined);
  if (path === undefined) {
    throw new KernelError('not-found', `there is no program ${names[0]}`, {
      detail: { program: names[0] },
      hint: 'install the package user-mode-linux',
    });
  }
  try {
    const place = options.root === undefined ? undefined : new KernelPlace(options.root);
    const facts = await recall(place, path, async () => ({
      kind: 'program',
      digest: parseDigest(await hashFile(path)),
      release: await askRelease(path),
      pvh: false,
      // Debian builds it without signatures.
      signed: false,
    }));
    const { release, digest } = facts;
    const places = [
      resolve(dirname(path), '..', 'lib', 'uml', 'modules', release),
      join('/usr/lib/uml/modules', release),
    ];
    const modules = places.find(place => statSync(place, { throwIfNoEntry: false })?.isDirectory());
    return {
      name: path,
      release,
      digest,
      vmlinux: path,
      bzImage: undefined,
      pvh: false,
      modules: openModules(path, facts, modules),
    };
  } catch (error) {
    throw wrapErrno(error, `cannot read the kernel ${path}`);
  }
}

async function askRelease(path: string): Promise<string> {
  const { status, stdout } = await runProgram(path, ['--version'], { timeout: 10_000 });
  const text = stdout.toString('latin1').trim();
  if (status === 0 && /^[0-9]+\.[0-9]+\S*$/.test(text)) return parseRelease(text);
  throw new KernelError('invalid', `${path} is no User-Mode Linux: it does not say its version`, {
    hint: 'name the program linux.uml with --kernel',
  });
}
