import type { VmmDriver, VmmName } from './machine.ts';

/** Code is loaded when a driver is first asked for. */
const drivers: Readonly<Record<VmmName, () => Promise<VmmDriver>>> = {
  qemu: async () => (await import('./qemu/index.ts')).qemuDriver,
  firecracker: async () => (await import('./firecracker/index.ts')).firecrackerDriver,
  'cloud-hypervisor': async () => (await import('./cloud-hypervisor/index.ts')).cloudHypervisorDriver,
  uml: async () => (await import('./uml/index.ts')).umlDriver,
};

/** The driver of a hypervisor. */
export async function vmmDriver(name: VmmName): Promise<VmmDriver> {
  return drivers[name]();
}
