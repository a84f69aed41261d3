/**
 * Firecracker: few devices, all of them virtio over MMIO, and system calls filtered by its own seccomp rules. It needs
 * KVM, and no network but a tap device of the host's making. It is configured by one request for each part, then told
 * to start; from there on it has no names to open any more. A guest cannot switch the machine off, it ends by a reset
 * (`shale.off=reboot` tells init so). Written to its published API; see test/vmm for what that was tried against.
 */
export { firecrackerDriver } from './driver.ts';
