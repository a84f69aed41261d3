import { closeSync, constants, openSync, statSync } from 'node:fs';
import { isErrno } from '../../error/index.ts';
import type { MachineOptions } from '../machine.ts';

const device = '/dev/kvm';

/** Why /dev/kvm cannot be had, and what to do; `undefined` if it opens, which does not prove yet that a guest runs. */
export function findKvmFault(): { reason: string; hint: string } | undefined {
  try {
    closeSync(openSync(device, constants.O_RDWR));
    return undefined;
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM')) {
      const hint = 'add your user to the group that owns the device, often kvm';
      return { reason: `${device} may not be opened`, hint };
    }
    const absent = isErrno(error, 'ENOENT', 'ENXIO', 'ENODEV');
    const reason = absent ? `there is no ${device}` : `${device} does not open: ${(error as Error).message}`;
    return { reason, hint: 'this hypervisor needs hardware virtualisation: use qemu (tcg) or uml here' };
  }
}

/**
 * The user that a hypervisor runs as, in the group that may use /dev/kvm: supplementary groups are taken from it.
 * Other users of that group gain nothing, for the machine's directory is closed to groups.
 */
export function kvmUser(user: MachineOptions['user']): MachineOptions['user'] {
  if (user === undefined) return undefined;
  const stats = statSync(device, { throwIfNoEntry: false });
  if (stats === undefined || stats.gid === 0) return user;
  const everybody = (stats.mode & 0o006) === 0o006;
  const group = (stats.mode & 0o060) === 0o060;
  return !everybody && group ? { uid: user.uid, gid: stats.gid } : user;
}
