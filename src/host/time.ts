import { lstatSync, lutimesSync } from 'node:fs';
import type { ByteString, Timestamp } from '../tree/index.ts';
import { call, cString, findCall, pathBytes } from './libc.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const billion = 1_000_000_000n;

/**
 * Sets access and modification time of the path itself, to the nanosecond, before 1970 and after 2038 too. Without libc
 * only as exactly as a double holds it (some hundred nanoseconds). The filesystem clamps what it cannot hold.
 */
export function setModified(path: ByteString, { seconds, nanoseconds }: Timestamp): void {
  if (findCall('utimensat') === undefined) {
    const time = seconds + nanoseconds / 1e9;
    lutimesSync(pathBytes(path), time, time);
    return;
  }
  const both = [BigInt(seconds), BigInt(nanoseconds)];
  const times = new BigInt64Array([...both, ...both]);
  call('utimensat', path, AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW);
}

/** The modification time of the path itself. */
export function readModified(path: ByteString): Timestamp {
  return timestamp(lstatSync(pathBytes(path), { bigint: true }).mtimeNs);
}

/** Nanoseconds since the epoch, as `fs.BigIntStats` has them, as a timestamp. */
export function timestamp(mtimeNs: bigint): Timestamp {
  const nanoseconds = ((mtimeNs % billion) + billion) % billion;
  return { seconds: Number((mtimeNs - nanoseconds) / billion), nanoseconds: Number(nanoseconds) };
}
