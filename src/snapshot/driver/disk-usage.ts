import { type BigIntStats, closeSync, constants, lstatSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../../error/index.ts';
import { countOwnBytes, Descent, pathBytes, readNames } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Usage } from '../snapshotter.ts';

/**
 * What a directory and all below it take: each inode once, in blocks that the filesystem has given. Follows no symlink. What is removed while it is measured counts
 * for nothing: somebody may be at work in it.
 */
export function measureUsage(directory: string): Usage {
  return measure(directory, ({ blocks }) => Number(blocks) * 512);
}

/**
 * The same for a tree that began as one that shares all contents with its parent, in a place that was made just before: inodes that were
 * changed since, with what they have for themselves.
 */
export function measureOwnUsage(directory: string): Usage {
  const { ctimeNs: begun } = lstatSync(dirname(directory), { bigint: true });
  return measure(directory, (stat, path) => {
    if (stat.ctimeNs < begun) return undefined;
    const bytes = Number(stat.blocks) * 512;
    // One that small has no extents, and lies with its inode.
    return stat.isFile() && bytes > 4096 ? Math.min(bytes, readOwnBytes(path) ?? bytes) : bytes;
  });
}

/** What one file takes; `undefined` if it is not there. */
export function measureFile(path: string): Usage | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { size: stat.blocks * 512, inodes: 1 };
}

/** What one inode takes; `undefined` of one that does not count. */
type Measure = (stat: BigIntStats, path: ByteString) => number | undefined;

function measure(directory: string, bytesOf: Measure): Usage {
  let size = 0;
  let inodes = 0;
  const seen = new Set<bigint>();
  using descent = Descent.open(directory);
  const count = (name: ByteString): BigIntStats | undefined => {
    const path = descent.at(name);
    const stat = lstatSync(pathBytes(path), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (stat.nlink > 1n && !stat.isDirectory()) {
      if (seen.has(stat.ino)) return stat;
      seen.add(stat.ino);
    }
    const bytes = bytesOf(stat, path);
    if (bytes !== undefined) {
      inodes += 1;
      size += bytes;
    }
    return stat;
  };
  count('.');
  const pending: ByteString[][] = [readNamesHere(descent)];
  for (let names = pending.at(-1); names !== undefined; names = pending.at(-1)) {
    const name = names.pop();
    if (name === undefined) {
      pending.pop();
      descent.leave();
    } else if (count(name)?.isDirectory() && enter(descent, name)) {
      pending.push(readNamesHere(descent));
    }
  }
  return { size, inodes };
}

/** False if it is gone, or something else by now. */
function enter(descent: Descent, name: ByteString): boolean {
  try {
    descent.enter(name);
    return true;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    return false;
  }
}

function readNamesHere(descent: Descent): ByteString[] {
  try {
    return readNames(descent.at('.'));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    return [];
  }
}

function readOwnBytes(path: ByteString): number | undefined {
  try {
    const fd = openSync(pathBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return countOwnBytes(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENOTTY', 'ENOSYS', 'ELOOP', 'ENOENT', 'EACCES')) return undefined;
    throw error;
  }
}
