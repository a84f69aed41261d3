import { closeSync, constants, ftruncateSync, openSync, rmSync } from 'node:fs';
import { isErrno, wrapErrno } from '../error/index.ts';
import { printable } from '../tree/index.ts';
import { missingParent } from './atomic-file.ts';
import { HostError } from './error.ts';
import { findProgram } from './find-program.ts';
import { type ProgramResult, runProgram } from './program.ts';

/** Sizes of an ext4 that Shale makes, in bytes. Below, there is hardly room for anything but its tables. */
export const leastDisk = 4 * 1024 * 1024;
/** Where ext4 itself, as the host of such a file, ends too. */
export const mostDisk = 16 * 2 ** 40 - 4096;

export interface Ext4Options {
  /** Bytes; rounded down to whole blocks of 4096. */
  readonly size: number;
  /** Survives that the machine is cut off. What dies with its zone needs none. */
  readonly journal: boolean;
  /** Whom the root directory belongs to; 0:0 if not given. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Named one by one, so that the machine's own mke2fs.conf has no say: a guest's kernel may be older than the host's
 * tools. The group checksums let the inode tables stay holes.
 */
const features =
  'extent,huge_file,flex_bg,64bit,dir_nlink,extra_isize,dir_index,filetype,sparse_super,large_file,ext_attr';

/**
 * Without this the guest's kernel would write the inode tables in the background, and the file would not stay sparse.
 */
const prezeroed = 'assume_storage_prezeroed=1';

/**
 * Makes a sparse file with an empty ext4 in it, readable by its owner only; nothing is left of it after a failure.
 * HostError `invalid` for a size that cannot be, `not-found` where there is no mkfs.ext4, `exists` if the name is
 * taken.
 */
export async function createExt4(path: string, options: Ext4Options): Promise<void> {
  const size = checkDiskSize(options.size);
  createSparse(path, size);
  try {
    const result = await format(path, options);
    if (result.status !== 0) throw failed(path, result);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** A size that an ext4 of ours can have, in whole blocks; HostError `invalid` otherwise. */
export function checkDiskSize(bytes: number): number {
  if (Number.isSafeInteger(bytes) && bytes >= leastDisk && bytes <= mostDisk) return bytes - (bytes % 4096);
  throw new HostError('invalid', `a disk cannot have ${bytes} bytes`, {
    detail: { size: bytes, least: leastDisk, most: mostDisk },
    hint: `give a size from 4 MiB to 16 TiB: it takes only as much room as is written to it`,
  });
}

/** An empty file of a size that takes no room, its owner's alone. HostError `exists`, ShaleError of the errno. */
export function createSparse(path: string, size: number): void {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw new HostError('exists', `${path} exists already`, { cause: error });
    throw missingParent(error, path);
  }
  try {
    ftruncateSync(fd, size);
  } catch (error) {
    rmSync(path, { force: true });
    throw wrapErrno(error, `cannot make ${path} ${size} bytes large`);
  } finally {
    closeSync(fd);
  }
}

async function format(path: string, options: Ext4Options): Promise<ProgramResult> {
  const words = (extended: readonly string[]) => [
    ...['-q', '-F', '-b', '4096', '-I', '256', '-m', '0'],
    ...['-O', `none,${features},${options.journal ? 'metadata_csum,has_journal' : 'uninit_bg'}`],
    ...[
      '-E',
      [...extended, 'nodiscard', 'lazy_itable_init=1', 'lazy_journal_init=1', owner(options)].join(','),
    ],
    // Not taken for an option, whatever the path is.
    ...['--', path],
  ];
  const result = await run(words([prezeroed]), options.signal);
  // mke2fs before 1.47 does not know it: the same disk, which its first guest fills in a little.
  const isOld = result.status !== 0 && result.stderr.includes('assume_storage_prezeroed');
  return isOld ? await run(words([]), options.signal) : result;
}

function owner({ owner = { uid: 0, gid: 0 } }: Ext4Options): string {
  return `root_owner=${owner.uid}:${owner.gid}`;
}

async function run(words: readonly string[], signal: AbortSignal | undefined): Promise<ProgramResult> {
  const program = findProgram('mkfs.ext4');
  if (program !== undefined) return await runProgram(program, words, { signal });
  throw new HostError('not-found', 'making a disk needs mkfs.ext4, which is not there', {
    detail: { program: 'mkfs.ext4' },
    hint: 'install e2fsprogs, or do without a disk',
  });
}

function failed(path: string, { status, killedBy, stderr }: ProgramResult): HostError {
  const said = printable(stderr.toString('latin1').trim().slice(0, 500));
  const full = /no space left/i.test(said);
  return new HostError(full ? 'exhausted' : 'unavailable', `mkfs.ext4 could not format ${path}: ${said}`, {
    detail: { path, status, killedBy },
    ...(full && { hint: 'make room on the disk that holds it' }),
  });
}
