/**
 * Hypervisors, behind one interface. A driver starts a machine from a kernel, an initramfs and disks, in a process of
 * its own that outlives us; it knows nothing of images or zones. What a driver is given is what the guest gets: the
 * hypervisor inherits the descriptors of its disks, and is confined so that it has little else (`confinement.ts`).
 *
 * A machine is reached through channels, byte streams between host and guest, and through nothing else; its console
 * is kept as last words for whoever wants to know why it died. A record, plain data, finds a machine again after the
 * process that started it is gone.
 */
export { ConsoleTail } from './console.ts';
export { vmmDriver } from './driver.ts';
export { VmmError } from './error.ts';
export {
  type Acceleration,
  type ByteChannel,
  type Disk,
  type Machine,
  type MachineEnd,
  type MachineKernel,
  type MachineOptions,
  type MachineRecord,
  type MachineShape,
  type ProbeOptions,
  type PublishedPort,
  type QemuMachine,
  type SavedState,
  type VmmDriver,
  type VmmName,
  type VmmProbe,
  vmmNames,
} from './machine.ts';
