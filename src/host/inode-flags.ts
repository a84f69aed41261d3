import { ioctl } from './ioctl.ts';

/** FS_IMMUTABLE_FL (linux/fs.h): nobody changes, renames, links or removes the file, root included. */
const immutable = 0x10;

/** What the numbers of the requests say; the kernel reads and writes an `int`, all the same. */
const request = { type: 'f', size: 8 } as const;

/** Whether the immutable flag of an open file is set (`lsattr` shows it as `i`). Throws as `fs` does: ENOTTY where the filesystem has no flags. */
export function isImmutable(fd: number): boolean {
  return Math.floor(readFlags(fd) / immutable) % 2 === 1;
}

/** Sets or clears the immutable flag; the other flags stay. Throws as `fs` does: EPERM without CAP_LINUX_IMMUTABLE. */
export function setImmutable(fd: number, state: 'set' | 'cleared'): void {
  const flags = readFlags(fd);
  const isSet = Math.floor(flags / immutable) % 2 === 1;
  if (isSet === (state === 'set')) return;
  const wanted = isSet ? flags - immutable : flags + immutable;
  ioctl(fd, { ...request, way: 'write', number: 2 }, new Uint32Array([wanted, 0]));
}

function readFlags(fd: number): number {
  const words = new Uint32Array(2);
  ioctl(fd, { ...request, way: 'read', number: 1 }, words);
  return words[0]!;
}
