import { constants } from 'node:fs';
import type { ByteString } from '../tree/index.ts';
import { call, cString, findCall } from './libc.ts';

const types = {
  block: constants.S_IFBLK,
  character: constants.S_IFCHR,
  fifo: constants.S_IFIFO,
  socket: constants.S_IFSOCK,
} as const;

export type SpecialType = keyof typeof types;

/** Linux's device numbers: 12 bits of major, 20 of minor. */
export const mostMajor = 0xfff;
export const mostMinor = 0xfffff;

/**
 * Creates a device, a fifo or a socket, mode 0600 (less the umask); fails if the name exists. Devices take privilege,
 * the others do not. Numbers beyond `mostMajor` and `mostMinor` are the caller's to refuse.
 */
export function makeNode(path: ByteString, type: SpecialType, major = 0, minor = 0): void {
  const mode = types[type] + 0o600;
  // <sys/sysmacros.h>, gnu_dev_makedev: the minor's upper twelve bits stand above the major.
  const device = (minor % 256) + major * 256 + Math.floor(minor / 256) * 2 ** 20;
  if (findCall('mknod') === undefined && findCall('__xmknod') !== undefined) {
    call('__xmknod', path, 0, cString(path), mode, new BigUint64Array([BigInt(device)]));
  } else {
    call('mknod', path, cString(path), mode, device);
  }
}

/** The two halves of `st_rdev`. */
export function splitDevice(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device / 256n) % 4096n) + (device / 2n ** 44n) * 4096n),
    minor: Number((device % 256n) + ((device / 2n ** 20n) % 2n ** 24n) * 256n),
  };
}
