import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { DiskError } from './error.ts';

/** What the guest's kernel is to mount it as. */
export type FilesystemType = 'ext4' | 'squashfs' | 'erofs';

export interface DiskImage {
  readonly type: FilesystemType;
  /** The filesystem cannot be written to, whatever is asked for. */
  readonly readOnly: boolean;
  /** An ext4 that was not unmounted: it must be mounted for writing once before it can be read. */
  readonly dirty: boolean;
}

/**
 * Says what filesystem a file holds, by its magic numbers and its length alone: it is the guest's kernel that reads
 * it. DiskError `invalid` for what is no regular file or no filesystem that is known, `corrupt` for one that is cut
 * off.
 */
export function recogniseDisk(path: string): DiskImage {
  let fd: number | undefined;
  try {
    // A device or a fifo of that name must not hold us.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw notRegular(path);
    const head = Buffer.alloc(2048);
    readSync(fd, head, 0, head.length, 0);
    const found = readMagic(head);
    if (found === undefined) throw unknown(path);
    const { bytes, ...image } = found;
    if (bytes > BigInt(stats.size)) throw cut(path, bytes, stats.size);
    return image;
  } catch (error) {
    if (isErrno(error, 'EISDIR', 'ENXIO')) throw notRegular(path);
    throw wrapErrno(error, `cannot open ${path}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Squashfs begins with its superblock; those of EROFS and ext4 stand 1024 bytes in. */
function readMagic(head: Buffer): (DiskImage & { readonly bytes: bigint }) | undefined {
  if (head.readUInt32LE(0) === 0x73717368 && head.readUInt16LE(28) === 4) {
    return { type: 'squashfs', readOnly: true, dirty: false, bytes: head.readBigUInt64LE(40) };
  }
  const block = head.subarray(1024);
  if (block.readUInt32LE(0) === 0xe0f5e1e2) {
    const bytes = BigInt(block.readUInt32LE(36)) * 2n ** BigInt(Math.min(block[12]!, 16));
    return { type: 'erofs', readOnly: true, dirty: false, bytes };
  }
  if (block.readUInt16LE(0x38) !== 0xef53) return undefined;
  const incompatible = block.readUInt32LE(0x60);
  const high = (incompatible & 0x80) === 0 ? 0 : block.readUInt32LE(0x150);
  const blocks = BigInt(block.readUInt32LE(4)) + BigInt(high) * 2n ** 32n;
  const bytes = blocks * 2n ** BigInt(10 + Math.min(block.readUInt32LE(0x18), 6));
  return { type: 'ext4', readOnly: false, dirty: (incompatible & 0x4) !== 0, bytes };
}

function notRegular(path: string): DiskError {
  return new DiskError('invalid', `${path} is neither a directory nor a regular file`, {
    detail: { path },
    hint: 'devices of the host are never given to a zone',
  });
}

function unknown(path: string): DiskError {
  return new DiskError('invalid', `${path} holds no filesystem that a zone mounts`, {
    detail: { path },
    hint: 'ext4, squashfs and EROFS are known; mkfs.ext4 makes the first',
  });
}

function cut(path: string, expected: bigint, actual: number): DiskError {
  return new DiskError('corrupt', `${path} ends before the filesystem in it does`, {
    detail: { path, expected: Number(expected), actual },
  });
}
