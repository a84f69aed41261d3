import { futimesSync, lstatSync, lutimesSync } from 'node:fs';
import type { ByteString, Timestamp } from '../tree/index.ts';
import { call, cString, findCall, pathBytes } from './libc.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const CLOCK_REALTIME = 0;
const billion = 1_000_000_000n;

/**
 * Sets access and modification time of the path itself, to the nanosecond, before 1970 and after 2038 too. Without libc
 * only as exactly as a double holds it (some hundred nanoseconds). The filesystem clamps what it cannot hold.
 */
export function setModified(path: ByteString, time: Timestamp): void {
  if (findCall('utimensat') === undefined) {
    const seconds = inSeconds(time);
    lutimesSync(pathBytes(path), seconds, seconds);
  } else {
    call('utimensat', path, AT_FDCWD, cString(path), timesOf(time), AT_SYMLINK_NOFOLLOW);
  }
}

/** The same of an open file. */
export function setModifiedOf(fd: number, time: Timestamp): void {
  if (findCall('futimens') === undefined) futimesSync(fd, inSeconds(time), inSeconds(time));
  else call('futimens', undefined, fd, timesOf(time));
}

/** The wall clock in microseconds since 1970, of which Node knows milliseconds. Without libc those times a thousand. */
export function readClock(): number {
  if (findCall('clock_gettime') === undefined) return Date.now() * 1000;
  call('clock_gettime', undefined, CLOCK_REALTIME, clock);
  return Number(clock[0]! * 1_000_000n + clock[1]! / 1000n);
}

function inSeconds({ seconds, nanoseconds }: Timestamp): number {
  return seconds + nanoseconds / 1e9;
}

/** A `struct timespec`. */
const clock = new BigInt64Array(2);

/** Two of them; used again for each call. */
const times = new BigInt64Array(4);

function timesOf({ seconds, nanoseconds }: Timestamp): BigInt64Array {
  times[0] = times[2] = BigInt(seconds);
  times[1] = times[3] = BigInt(nanoseconds);
  return times;
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
