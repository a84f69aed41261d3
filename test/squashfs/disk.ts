import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readXattrs } from '../../src/host/index.ts';
import { formatListing, type ListedInode, type Listing } from '../model/listing.ts';
import { digest } from './sample.ts';

/** What stands below a directory on disk, as the operating system sees it. Times are in whole seconds. */
export function listDisk(root: string): Listing {
  return formatListing(
    [...walkDisk(root)].map(([path, stat, inode]) => [path, inode, `${stat.dev}:${stat.ino}`] as const),
  );
}

export function* walkDisk(root: string): Generator<readonly [string, BigIntStats, ListedInode]> {
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const full = path === '' ? root : `${root}/${path}`;
    const name = Buffer.from(full, 'latin1');
    const stat = lstatSync(name, { bigint: true });
    const type = typeOf(stat);
    const rdev = stat.rdev;
    yield [
      path,
      stat,
      {
        type,
        mode: Number(stat.mode) % 0o10000,
        uid: Number(stat.uid),
        gid: Number(stat.gid),
        mtime: { seconds: Number(stat.mtimeNs / 1_000_000_000n), nanoseconds: 0 },
        xattrs: readXattrs(full),
        ...(type === 'symlink' && { target: readlinkSync(name, 'latin1') }),
        ...(type === 'file' && { size: Number(stat.size), content: digest(readFileSync(name)) }),
        ...((type === 'block' || type === 'character') && {
          major: Number((rdev >> 8n) & 0xfffn),
          minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n)),
        }),
      },
    ];
    if (type !== 'directory') continue;
    for (const entry of readdirSync(name, 'latin1')) pending.push(path === '' ? entry : `${path}/${entry}`);
  }
}

function typeOf(stat: BigIntStats): ListedInode['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isBlockDevice()) return 'block';
  if (stat.isCharacterDevice()) return 'character';
  return stat.isFIFO() ? 'fifo' : 'socket';
}
