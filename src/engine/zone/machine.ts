import { hostPlatform } from '../../host/index.ts';
import { assembleInitramfs } from '../../kernel/assemble.ts';
import type { Kernel } from '../../kernel/index.ts';
import type { QemuMachine, VmmDriver } from '../../vmm/index.ts';
import { guestInit } from '../../zone/guest-init.ts';
import type { ZoneFormat } from './artifact.ts';

/** What a zone's kernel has to have modules for. */
export interface Needs {
  readonly network: 'none' | 'user';
  readonly machine?: QemuMachine | undefined;
  readonly verity: boolean;
  /** Of the image's disk. */
  readonly format: ZoneFormat;
}

/** A kernel, and the initramfs that goes with it. */
export interface BootFiles {
  readonly kernel: Kernel;
  readonly initramfs: { readonly path: string; readonly digest: Kernel['digest'] };
}

/** The modules that every zone needs: what its root is put together of, and what volumes are made of. */
const ownModules = ['squashfs', 'overlay'];

/** The kernel for a hypervisor, and its initramfs out of the cache; made if it is not there. */
export async function findBootFiles(
  root: string,
  driver: VmmDriver,
  options: { readonly kernel?: string | undefined; readonly needs: Needs },
): Promise<BootFiles> {
  const { kernel: wanted, needs } = options;
  const named = wanted === undefined ? {} : { kernel: wanted };
  const kernel = await open(driver, { root, ...named });
  const modules = [
    ...driver.modules(needs),
    ...ownModules,
    ...(needs.format === 'erofs' ? ['erofs'] : []),
    ...(needs.verity ? ['dm-verity'] : []),
  ];
  const init = guestInit(hostPlatform().architecture);
  return { kernel, initramfs: await assembleInitramfs({ root, kernel, init, modules }) };
}

/** Loads only what opens a kernel of that kind. */
async function open(
  { name }: VmmDriver,
  options: { readonly root: string; readonly kernel?: string },
): Promise<Kernel> {
  if (name === 'uml') {
    const { openUmlKernel } = await import('../../kernel/uml.ts');
    return await openUmlKernel(options);
  }
  const { openKernel } = await import('../../kernel/open.ts');
  return await openKernel(options);
}
