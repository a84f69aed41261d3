/**
 * Cloud Hypervisor: virtio over PCI, ACPI, and a seccomp filter for each of its threads. It needs KVM, and no network
 * but a tap device. A machine is created from one description, then booted; a saved state holds that description with
 * its relative names, so it is at home in every machine's directory.
 *
 * A guest that resets is booted again by Cloud Hypervisor, in the same process and from the same kernel: so the name of
 * the kernel is taken away once it was read, and a reset, say by a panic, ends the machine as it should. Written to its
 * published API; see test/vmm for what that was tried against.
 */
export { cloudHypervisorDriver } from './driver.ts';
