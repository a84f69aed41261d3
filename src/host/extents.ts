import { ioctl } from './ioctl.ts';

/** linux/fiemap.h: a header of 32 bytes, and then extents of 56. */
const headerBytes = 32;
const extentBytes = 56;
const extentsAtOnce = 128;
const flags = { last: 0x1, shared: 0x2000 } as const;
/** Writes what is not on the disk yet before it answers. */
const sync = 1;

/** How many bytes of an open file lie in extents that no other file shares. Throws as `fs` does: EOPNOTSUPP where the filesystem cannot tell. */
export function countOwnBytes(fd: number): number {
  const buffer = Buffer.alloc(headerBytes + extentsAtOnce * extentBytes);
  let own = 0;
  for (let start = 0n; ; ) {
    buffer.fill(0, 0, headerBytes);
    buffer.writeBigUInt64LE(start, 0);
    buffer.writeBigUInt64LE(2n ** 63n - 1n - start, 8);
    buffer.writeUInt32LE(sync, 16);
    buffer.writeUInt32LE(extentsAtOnce, 24);
    ioctl(fd, { way: 'both', type: 'f', number: 11, size: headerBytes }, buffer);
    const count = buffer.readUInt32LE(20);
    for (let index = 0; index < count; index += 1) {
      const at = headerBytes + index * extentBytes;
      const length = buffer.readBigUInt64LE(at + 16);
      const flag = buffer.readUInt32LE(at + 40);
      if ((flag & flags.shared) === 0) own += Number(length);
      if ((flag & flags.last) !== 0) return own;
      start = buffer.readBigUInt64LE(at) + length;
    }
    if (count === 0) return own;
  }
}
