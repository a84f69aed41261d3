import { type BigIntStats, constants, lstatSync, readlinkSync } from 'node:fs';
import { type FileMetadata, pathBytes, readXattrs, splitDevice, timestamp } from '../../host/index.ts';
import type { ByteString, InodeType } from '../../tree/index.ts';
import type { Place } from '../mark/index.ts';

const typeBits = 0o170000n;
const types = new Map<number, InodeType>([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFBLK, 'block'],
  [constants.S_IFCHR, 'character'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
]);

/** What a name is, without its content: one look at it, no symlink followed. */
export interface Facts extends FileMetadata {
  /** The same exactly for names of one file. */
  readonly identity: string;
  readonly links: number;
  /** Of a regular file, in bytes. */
  readonly size: number;
  readonly target: ByteString | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly stats: BigIntStats;
}

export function lookAt(place: Place, name: ByteString): BigIntStats | undefined {
  return lstatSync(pathBytes(place.at(name)), { bigint: true, throwIfNoEntry: false });
}

export function typeOf({ mode }: BigIntStats): InodeType {
  return types.get(Number(mode & typeBits))!;
}

/** `undefined` if nothing is there. Throws as `fs` does. */
export function readFacts(place: Place, name: ByteString): Facts | undefined {
  const stats = lookAt(place, name);
  return stats && describeFile(place.at(name), stats);
}

export function describeFile(at: ByteString, stats: BigIntStats): Facts {
  const type = typeOf(stats);
  const isDevice = type === 'block' || type === 'character';
  return {
    type,
    ...{ mode: Number(stats.mode % 0o10000n), uid: Number(stats.uid), gid: Number(stats.gid) },
    ...{ mtime: timestamp(stats.mtimeNs), xattrs: readXattrs(at) },
    ...{ identity: `${stats.dev}:${stats.ino}`, links: Number(stats.nlink) },
    size: type === 'file' ? Number(stats.size) : 0,
    target: type === 'symlink' ? readlinkSync(pathBytes(at), { encoding: 'latin1' }) : undefined,
    device: isDevice ? splitDevice(stats.rdev) : undefined,
    stats,
  };
}
