import { statSync } from 'node:fs';
import { findKernel, noKernel } from './cache.ts';
import type { Kernel } from './kernel.ts';
import { KernelPlace } from './place.ts';

export interface OpenKernelOptions {
  /** The cache's. */
  readonly root: string;
  /** A name in the cache, else the path of a file; the default kernel of the cache if not given. */
  readonly kernel?: string | undefined;
}

/** A kernel to boot with. KernelError: `not-found`, and what a file may be instead of a kernel. */
export async function openKernel({ root, kernel }: OpenKernelOptions): Promise<Kernel> {
  const place = new KernelPlace(root);
  const found = findKernel(place, kernel);
  if (found !== undefined) return found;
  const isFile = kernel !== undefined && statSync(kernel, { throwIfNoEntry: false })?.isFile() === true;
  if (isFile) {
    const { openKernelFile } = await import('./file.ts');
    return await openKernelFile(place, kernel);
  }
  throw noKernel(kernel);
}
