import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { createTemporaryDirectory } from '../host/index.ts';
import { defaultPackage, downloadPackage, resolvePackage } from './apt.ts';
import { findKernel, findOrigin, noKernel, placeKernel, removeLitter } from './cache.ts';
import { KernelDraft } from './draft.ts';
import { KernelError } from './error.ts';
import { imageRelease } from './image.ts';
import { type KernelFiles, takeImage } from './image-source.ts';
import type { Kernel } from './kernel.ts';
import { KernelPlace, lockKernels } from './place.ts';
import type { InstallProgress } from './progress.ts';
import type { KernelOrigin } from './record.ts';
import { hashFile, takeDirectory, takeFile, takePackage } from './source.ts';

export interface InstallKernelOptions extends InstallProgress {
  /** The cache's. */
  readonly root: string;
  /** A .deb file, a directory with what is in one, a kernel's file, or the name of a package that apt knows; apt's own cloud kernel if not given. */
  readonly from?: string | undefined;
  /** In place of `from`: an OCI image that carries a kernel. */
  readonly source?: KernelFiles | undefined;
  /** What to call it; by default what the package is called, or its release. */
  readonly name?: string | undefined;
}

/**
 * Puts a kernel with its modules into the cache, whole and durable, or not at all. The same package or image is not taken twice; another one of
 * the same name replaces the old. Installations wait for each other.
 */
export async function installKernel(options: InstallKernelOptions): Promise<Kernel> {
  const place = new KernelPlace(options.root);
  try {
    using _lock = await lockKernels(place, options.signal);
    removeLitter(place);
    const name = await install(place, options);
    const kernel = findKernel(place, name);
    if (kernel === undefined) throw noKernel(name);
    return kernel;
  } catch (error) {
    throw wrapErrno(error, `cannot install a kernel in ${place.directory}`);
  }
}

type Fill = (draft: KernelDraft, directory: string) => Promise<string | undefined>;

async function install(place: KernelPlace, options: InstallKernelOptions): Promise<string> {
  const { source, from, signal } = options;
  if (source !== undefined) {
    const origin: KernelOrigin = { kind: 'image', from: source.place, digest: source.digest };
    return ifNew(place, origin, options, (draft, directory) => takeImage(draft, source, directory, options));
  }
  const stats = from === undefined ? undefined : statSync(from, { throwIfNoEntry: false });
  if (from === undefined || stats === undefined) return fromApt(place, from ?? defaultPackage, options);
  const path = resolve(from);
  if (stats.isDirectory()) {
    return ifNew(place, { kind: 'directory', from: path }, options, async draft => {
      await takeDirectory(draft, path);
      return undefined;
    });
  }
  if (!stats.isFile()) throw new KernelError('invalid', `${path} is neither a file nor a directory`);
  const digest = await hashFile(path, signal);
  if (path.endsWith('.deb')) {
    return ifNew(place, { kind: 'package', from: path, digest }, options, draft =>
      takePackage(draft, path, options),
    );
  }
  return ifNew(place, { kind: 'file', from: path }, options, async draft => {
    await takeFile(draft, path, imageRelease(path));
    return undefined;
  });
}

async function fromApt(place: KernelPlace, name: string, options: InstallKernelOptions): Promise<string> {
  if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name)) {
    throw new KernelError('not-found', `${name} is not there`, {
      hint: 'give a .deb file, a directory with an unpacked one, a vmlinuz, or the name of a package',
    });
  }
  const found = await resolvePackage(name, options.signal);
  const digest = found.sha256 === undefined ? undefined : `sha256:${found.sha256}`;
  const origin: KernelOrigin = { kind: 'package', from: found.name, version: found.version, digest };
  return ifNew(place, origin, options, async (draft, directory) => {
    using downloads = createTemporaryDirectory(`${directory}-apt`);
    const path = await downloadPackage(found, downloads.path, options);
    return await takePackage(draft, path, options);
  });
}

/** Fills a draft and puts it in its place, unless that very package or image is there already. Returns the kernel's name. */
async function ifNew(
  place: KernelPlace,
  origin: KernelOrigin,
  options: InstallKernelOptions,
  fill: Fill,
): Promise<string> {
  const known = origin.digest === undefined ? undefined : findOrigin(place, origin.digest);
  if (known !== undefined && (options.name === undefined || options.name === known)) return known;
  using directory = createTemporaryDirectory(place.kernel(options.name ?? 'kernel'));
  const draft = new KernelDraft(directory.path, options);
  const suggested = await fill(draft, directory.path);
  const nameOf = (release: string) => options.name ?? suggested ?? `linux-${release}`;
  const record = await draft.finish(origin, nameOf);
  placeKernel(place, directory.path, record.name);
  directory.keep();
  return record.name;
}
