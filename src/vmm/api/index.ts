/**
 * What Firecracker and Cloud Hypervisor have in common. Both are configured by HTTP on a unix socket, both take files
 * as paths only, and both offer the guest's vsock as one unix socket on which a line says which port is meant. What
 * they are asked differs, and is in the folder of each.
 */
export { ApiClient, type ApiClientOptions, type CallOptions } from './client.ts';
export { giveUp } from './failure.ts';
export { MachineFiles } from './files.ts';
export { hasStaging, prepareStaging, requireSaver, staging, takeStaged } from './keep.ts';
export { findKvmFault, kvmUser } from './kvm.ts';
export { ApiMachine, type ApiMachineOptions } from './machine.ts';
export { probeProgram } from './probe.ts';
export {
  type FoundProgram,
  findVersion,
  isAtLeast,
  requireProgram,
  requireVersion,
  type VersionRule,
} from './version.ts';
export { connectGuest, guestCid, guestPort } from './vsock.ts';
