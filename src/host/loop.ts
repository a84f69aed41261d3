import { closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../error/index.ts';
import { HostError } from './error.ts';
import { numberIoctl, plainIoctl } from './ioctl.ts';

/** linux/loop.h. */
const LOOP_SET_FD = 0x4c00;
const LOOP_CLR_FD = 0x4c01;
const LOOP_SET_STATUS64 = 0x4c04;
const LOOP_GET_STATUS64 = 0x4c05;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;

/** struct loop_info64, and struct loop_config, in which it begins at byte 8. */
const infoSize = 232;
const configSize = 304;
const info = { device: 0, inode: 8, flags: 52, fileName: 56 } as const;
const longestName = 63;

/** Another process may take the device that was free a moment ago: so often that is tried again, with a pause from the second time on. */
const attempts = 200;
const pause = 5;

/** A block device that stands for a file. It is there until the last of this handle, who has it open and what is mounted from it is gone. */
export interface LoopDevice extends Disposable {
  /** `/dev/loopN`. */
  readonly path: string;
}

export interface LoopOptions {
  /** `read-only` if not given. */
  readonly access?: 'read-only' | 'read-write' | undefined;
}

/**
 * Puts a loop device under a file, as losetup(8) does. The kernel takes it away when nobody uses it any more (*autoclear*), also after a crash: so
 * mount it, then dispose the handle. HostErrors; `unsupported` where the kernel has no loop devices, `denied`. Before Linux 5.8 a crash
 * within the call may leave the device.
 */
export async function attachLoop(
  file: string,
  { access = 'read-only' }: LoopOptions = {},
): Promise<LoopDevice> {
  const mode = access === 'read-only' ? constants.O_RDONLY : constants.O_RDWR;
  let backing: number | undefined;
  try {
    backing = openSync(file, mode | constants.O_NOFOLLOW);
    const config = describe(backing, file, access);
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const device = configureFree(config, mode);
      if (device !== undefined) return device;
      if (attempt > 0) await setTimeout(pause);
    }
  } catch (error) {
    throw explain(error, file);
  } finally {
    if (backing !== undefined) closeSync(backing);
  }
  throw new HostError(
    'conflict',
    `cannot attach ${file} to a loop device: others keep taking those that are free`,
    {
      detail: { path: file, attempts },
      hint: 'try again',
    },
  );
}

/** Attaches the device that is free now; `undefined` if somebody else was faster. */
function configureFree(config: Buffer, mode: number): LoopDevice | undefined {
  const control = openSync('/dev/loop-control', constants.O_RDWR);
  let path: string;
  try {
    path = `/dev/loop${plainIoctl(control, LOOP_CTL_GET_FREE, null)}`;
  } finally {
    closeSync(control);
  }
  let device: number;
  try {
    device = openSync(path, mode);
  } catch (error) {
    // ENXIO: it was just taken away again.
    if (isErrno(error, 'ENXIO')) return undefined;
    throw error;
  }
  try {
    configure(device, config);
  } catch (error) {
    closeSync(device);
    if (isErrno(error, 'EBUSY')) return undefined;
    throw error;
  }
  return {
    path,
    [Symbol.dispose]() {
      if (device >= 0) closeSync(device);
      device = -1;
    },
  };
}

/** At once, or in two steps where the kernel knows no other way: it then says that the request is invalid, as it says of a bad file. */
function configure(device: number, config: Buffer): void {
  try {
    plainIoctl(device, LOOP_CONFIGURE, config);
    return;
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOTTY')) throw error;
  }
  numberIoctl(device, LOOP_SET_FD, config.readUInt32LE(0));
  try {
    plainIoctl(device, LOOP_SET_STATUS64, config.subarray(8, 8 + infoSize));
  } catch (error) {
    plainIoctl(device, LOOP_CLR_FD, null);
    throw error;
  }
}

function describe(backing: number, file: string, access: 'read-only' | 'read-write'): Buffer {
  const config = Buffer.alloc(configSize);
  config.writeUInt32LE(backing, 0);
  const flags = LO_FLAGS_AUTOCLEAR + (access === 'read-only' ? LO_FLAGS_READ_ONLY : 0);
  config.writeUInt32LE(flags, 8 + info.flags);
  // What losetup(8) shows where the kernel cannot tell the path; the end says more than the start.
  config.write(file.slice(-longestName), 8 + info.fileName, longestName, 'utf8');
  return config;
}

/**
 * The loop devices whose file is the one that stands at `file`, under whatever name they were made of it: `/dev/loopN`. Empty where there are
 * none, or no loop devices at all. Throws as `fs` does for the file itself.
 */
export function findLoops(file: string): string[] {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return attachedLoops().filter(path => {
      const found = readStatus(path);
      return found !== undefined && found.device === dev && found.inode === ino;
    });
  } finally {
    closeSync(fd);
  }
}

/** Takes the file from a loop device: at once, or when the last who uses it is gone. One that has none is left alone. HostErrors. */
export function detachLoop(path: string): void {
  try {
    const device = openSync(path, constants.O_RDONLY);
    try {
      plainIoctl(device, LOOP_CLR_FD, null);
    } finally {
      closeSync(device);
    }
  } catch (error) {
    if (!isErrno(error, 'ENXIO')) throw wrapErrno(error, `cannot detach ${path}`);
  }
}

function attachedLoops(): string[] {
  let names: string[];
  try {
    names = readdirSync('/sys/block');
  } catch {
    return [];
  }
  return names.filter(name => /^loop[0-9]+$/.test(name) && isAttached(name)).map(name => `/dev/${name}`);
}

/** The kernel shows this directory of a device that has a file. */
function isAttached(name: string): boolean {
  try {
    return readdirSync(`/sys/block/${name}/loop`).length > 0;
  } catch {
    return false;
  }
}

function readStatus(path: string): { readonly device: bigint; readonly inode: bigint } | undefined {
  const status = Buffer.alloc(infoSize);
  try {
    const device = openSync(path, constants.O_RDONLY);
    try {
      plainIoctl(device, LOOP_GET_STATUS64, status);
    } finally {
      closeSync(device);
    }
  } catch {
    // It went away, or is not for us to look at.
    return undefined;
  }
  return { device: status.readBigUInt64LE(info.device), inode: status.readBigUInt64LE(info.inode) };
}

function explain(error: unknown, file: string): unknown {
  const doing = `cannot attach ${file} to a loop device`;
  if (isErrno(error, 'ENOENT') && isDevice(error)) {
    return new HostError('unsupported', `${doing}: ${error.path} is not there`, {
      cause: error,
      hint: 'load the module loop (modprobe loop), or give the container the device nodes',
    });
  }
  if (isErrno(error, 'ENOTTY', 'ENOSYS', 'EINVAL')) {
    return new HostError('unsupported', `${doing}: the kernel does not know how`, {
      cause: error,
      hint: 'this takes koffi, for the call',
    });
  }
  if (isErrno(error, 'EPERM', 'EACCES') && (isDevice(error) || !('path' in error))) {
    return new HostError('denied', `${doing}: the system does not permit it`, {
      cause: error,
      hint: 'loop devices take root (CAP_SYS_ADMIN)',
    });
  }
  return wrapErrno(error, doing);
}

function isDevice(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'path' in error && String(error.path).startsWith('/dev/loop');
}
