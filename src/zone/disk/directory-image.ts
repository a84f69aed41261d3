import { closeSync, constants, openSync, readSync, unlinkSync } from 'node:fs';
import { isErrno, Warnings, wrapErrno } from '../../error/index.ts';
import {
  accessFile,
  missingParent,
  parallelism,
  registerUnfinished,
  throwIfAborted,
} from '../../host/index.ts';
import { type SquashfsCompression, TreeImage } from '../../squashfs/index.ts';
import { validateTree } from '../../tree/index.ts';
import { readHostDirectory, type TakeContent } from './directory-reader.ts';
import { DiskError } from './error.ts';

export interface DirectoryImageOptions {
  /** `zstd` if not given; the guest's kernel must know it. */
  readonly compression?: SquashfsCompression | undefined;
  /** Of the compression; the fastest if not given, for the image is made for one zone. */
  readonly level?: number | undefined;
  /** Threads that compress. */
  readonly threads?: number | undefined;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

const blockSize = 128 * 1024;

/**
 * Makes a squashfs image of a directory of the host: owners, modes, times, xattrs, hardlinks, symlinks and devices as
 * they are, mounts below it as the directories that they cover, sockets left out with a warning
 * (`readHostDirectory`). The same directory gives the same bytes. `out` must not be there; it is its owner's alone,
 * not synced (it lives as long as a zone does), and nothing is left of it after a failure.
 */
export async function renderDirectory(
  directory: string,
  out: string,
  options: DirectoryImageOptions = {},
): Promise<void> {
  const fd = create(out);
  const release = registerUnfinished(() => unlinkSync(out));
  try {
    await write(directory, out, fd, options);
  } catch (error) {
    unlinkSync(out);
    throw wrapErrno(error, `cannot write ${out}`);
  } finally {
    release();
    closeSync(fd);
  }
}

async function write(
  directory: string,
  out: string,
  fd: number,
  options: DirectoryImageOptions,
): Promise<void> {
  const { compression = 'zstd', level = compression === 'none' ? undefined : 1, signal } = options;
  const { threads = Math.min(parallelism(), 8), warnings = new Warnings() } = options;
  const image = { compression, level, blockSize, threads, warnings, check: () => throwIfAborted(signal) };
  await using contents = new TreeImage(accessFile(fd, out), image);
  const take: TakeContent = (fd, size) =>
    contents.take(size, (target, position) => {
      const length = readSync(fd, target, 0, target.length, position);
      if (length === 0) throw new DiskError('conflict', 'a file became shorter while it was read');
      return length;
    });
  const root = await readHostDirectory(directory, { take, warnings, signal });
  await contents.finish(validateTree(root));
}

function create(path: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw new DiskError('exists', `${path} exists already`, { cause: error });
    throw missingParent(error, path);
  }
}
