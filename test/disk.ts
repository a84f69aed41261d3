import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { readXattrs } from '../src/host/index.ts';
import { formatListing, type ListedInode, type Listing } from './model/listing.ts';

export interface DiskOptions {
  /** Times without their nanoseconds, for what came through squashfs. */
  readonly wholeSeconds?: boolean;
  /** Each file's content is followed by where it has data, ` data 0-4096,8192-12288`; the rest is holes. */
  readonly holes?: boolean;
  /** Files of more bytes are not read: their content is `-`. */
  readonly contentLimit?: number;
}

/**
 * What stands below a directory on disk, as the operating system sees it: type, mode, owner, time, xattrs (all that root may see),
 * link targets, device numbers, sizes and the SHA-256 of contents, and which names are one file.
 */
export function listDisk(root: string, options: DiskOptions = {}): Listing {
  return formatListing(
    [...walkDisk(root, options)].map(
      ([path, stat, inode]) => [path, inode, `${stat.dev}:${stat.ino}`] as const,
    ),
  );
}

/** The same as it is found; the directory itself, '', is the first. */
export function* walkDisk(
  root: string,
  options: DiskOptions = {},
): Generator<readonly [path: string, stat: BigIntStats, inode: ListedInode]> {
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const full = path === '' ? root : `${root}/${path}`;
    const name = Buffer.from(full, 'latin1');
    const stat = lstatSync(name, { bigint: true });
    yield [path, stat, readInode(full, stat, options)];
    if (!stat.isDirectory()) continue;
    for (const entry of readdirSync(name, 'latin1')) pending.push(path === '' ? entry : `${path}/${entry}`);
  }
}

const billion = 1_000_000_000n;

function readInode(full: string, stat: BigIntStats, options: DiskOptions): ListedInode {
  const type = typeOf(stat);
  const rdev = stat.rdev;
  // Before 1970 the seconds go down and the nanoseconds still count up.
  const nanoseconds = ((stat.mtimeNs % billion) + billion) % billion;
  return {
    type,
    mode: Number(stat.mode) % 0o10000,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: {
      seconds: Number((stat.mtimeNs - nanoseconds) / billion),
      nanoseconds: options.wholeSeconds ? 0 : Number(nanoseconds),
    },
    xattrs: readXattrs(full),
    ...(type === 'symlink' && { target: readlinkSync(Buffer.from(full, 'latin1'), 'latin1') }),
    ...(type === 'file' && {
      size: Number(stat.size),
      content: readContent(full, Number(stat.size), options),
    }),
    ...((type === 'block' || type === 'character') && {
      major: Number((rdev >> 8n) & 0xfffn),
      minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n)),
    }),
  };
}

function typeOf(stat: BigIntStats): ListedInode['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isBlockDevice()) return 'block';
  if (stat.isCharacterDevice()) return 'character';
  return stat.isFIFO() ? 'fifo' : 'socket';
}

const buffer = Buffer.alloc(1024 * 1024);

function readContent(full: string, size: number, { holes, contentLimit = Infinity }: DiskOptions): string {
  const fd = openSync(Buffer.from(full, 'latin1'), 'r');
  try {
    let content = '-';
    if (size <= contentLimit) {
      const sum = createHash('sha256');
      for (let length = -1; length !== 0; ) {
        length = readSync(fd, buffer);
        sum.update(buffer.subarray(0, length));
      }
      content = sum.digest('hex');
    }
    return holes ? `${content} data ${findData(fd, size).join()}` : content;
  } finally {
    closeSync(fd);
  }
}

type Seek = (fd: number, offset: number, whence: number) => number;
let seek: Seek | undefined;

/** Node has no lseek(2). */
function findData(fd: number, size: number): string[] {
  seek ??= createRequire(import.meta.url)('koffi')
    .load(null)
    .func('lseek', 'int64_t', ['int', 'int64_t', 'int']) as Seek;
  const [SEEK_DATA, SEEK_HOLE] = [3, 4];
  const found: string[] = [];
  for (let end = 0; end < size; ) {
    const start = seek(fd, end, SEEK_DATA);
    if (start < 0) break; // ENXIO: nothing but a hole from here on
    end = seek(fd, start, SEEK_HOLE);
    found.push(`${start}-${end}`);
  }
  return found;
}
