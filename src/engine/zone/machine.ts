import { hostPlatform } from '../../host/index.ts';
import { assembleInitramfs, type Kernel, openKernel, openUmlKernel } from '../../kernel/index.ts';
import type { QemuMachine, VmmDriver } from '../../vmm/index.ts';
import { guestInit } from '../../zone/index.ts';

/** What a zone's kernel has to have modules for. */
export interface Needs {
  readonly network: 'none' | 'user';
  readonly machine?: QemuMachine | undefined;
  readonly verity: boolean;
}

/** A kernel, and the initramfs that goes with it. */
export interface BootFiles {
  readonly kernel: Kernel;
  readonly initramfs: { readonly path: string; readonly digest: Kernel['digest'] };
}

/** The modules that every zone needs: what its root is put together of. */
const ownModules = ['squashfs', 'overlay'];

/** The kernel for a hypervisor, and its initramfs out of the cache; made if it is not there. */
export async function findBootFiles(
  root: string,
  driver: VmmDriver,
  options: { readonly kernel?: string | undefined; readonly needs: Needs },
): Promise<BootFiles> {
  const { kernel: wanted, needs } = options;
  const named = wanted === undefined ? {} : { kernel: wanted };
  const kernel =
    driver.name === 'uml' ? await openUmlKernel({ root, ...named }) : await openKernel({ root, ...named });
  const modules = [...driver.modules(needs), ...ownModules, ...(needs.verity ? ['dm-verity'] : [])];
  const init = guestInit(hostPlatform().architecture);
  return { kernel, initramfs: await assembleInitramfs({ root, kernel, init, modules }) };
}
