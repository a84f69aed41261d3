import { call } from './libc.ts';

/**
 * ioctl(2) of an open file, for requests whose number says which way how many bytes go (ioctl-number.rst); the kernel may change
 * `bytes`. Throws as `fs` does, ENOSYS without libc.
 */
export function ioctl(
  fd: number,
  request: {
    readonly way: keyof typeof ways;
    readonly type: string;
    readonly number: number;
    readonly size: number;
  },
  bytes: ArrayBufferView,
): void {
  const { way, type, number, size } = request;
  const code = BigInt(ways[way]) * directionUnit + BigInt(size) * 0x10000n;
  call('ioctl', undefined, fd, code + BigInt(type.charCodeAt(0) * 0x100 + number), bytes);
}

/** The same for requests that are older than that rule, bare numbers. Returns what the kernel does. */
export function plainIoctl(fd: number, request: number, argument: ArrayBufferView | null): number {
  return call('ioctl', undefined, fd, request, argument);
}

/** The same where the argument is a number itself. */
export function numberIoctl(fd: number, request: number, argument: number): void {
  call('ioctl', undefined, fd, request, BigInt(argument));
}

/** Everywhere but on POWER, where sizes are a bit shorter, and directions are a bit each. */
const isPower = process.arch === 'ppc64';
const directionUnit = isPower ? 0x2000_0000n : 0x4000_0000n;
const ways = isPower ? { read: 2, write: 4, both: 6 } : { write: 1, read: 2, both: 3 };
