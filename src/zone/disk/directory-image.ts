import { closeSync, constants, ftruncateSync, openSync, readSync, unlinkSync } from 'node:fs';
import { createBlockCompressor } from '../../bytes/codec/index.ts';
import type { RandomAccess } from '../../bytes/random-access.ts';
import { isErrno, Warnings, wrapErrno } from '../../error/index.ts';
import { missingParent, parallelism, registerUnfinished, writeAll } from '../../host/index.ts';
import {
  compressorOptions,
  emptyFile,
  paddedSize,
  type SquashfsCompression,
  superblockSize,
  writeTables,
} from '../../squashfs/index.ts';
import { mapContent, type Tree, validateTree } from '../../tree/index.ts';
import { ContentWriter } from './content-writer.ts';
import { readHostDirectory } from './directory-reader.ts';
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
const latest = 2 ** 32 - 1;

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
    await write(directory, fd, options);
  } catch (error) {
    unlinkSync(out);
    throw wrapErrno(error, `cannot write ${out}`);
  } finally {
    release();
    closeSync(fd);
  }
}

async function write(directory: string, fd: number, options: DirectoryImageOptions): Promise<void> {
  const { compression = 'zstd', level = compression === 'none' ? undefined : 1, signal } = options;
  const { threads = Math.min(parallelism(), 8), warnings = new Warnings() } = options;
  const head = compressorOptions(compression, level);
  writeAll(fd, head, superblockSize);
  await using contents = new ContentWriter({
    ...{ output: fileAccess(fd), start: superblockSize + head.length },
    ...{ compression, level, blockSize, threads, signal },
  });
  const root = await readHostDirectory(directory, { take: contents.take, warnings, signal });
  const tree = validateTree(root);
  const { files, fragments, position } = await contents.finish();
  const placed = mapContent(tree, ({ size, content }) => (size === 0 ? emptyFile : files[content]!));
  const compressor = compression === 'none' ? undefined : createBlockCompressor(compression, level);
  try {
    const output = appender(fd, position);
    const modificationTime = newest(tree);
    const superblock = writeTables(output, placed, fragments, {
      ...{ compression, level, compressor, blockSize, modificationTime, warnings },
    });
    // Data that was taken back may reach further than what was written last.
    ftruncateSync(fd, output.position);
    ftruncateSync(fd, paddedSize(output.position));
    writeAll(fd, superblock, 0);
  } finally {
    compressor?.close();
  }
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

/** What the image says of its own age must depend on nothing but the directory. */
function newest(tree: Tree<number>): number {
  let time = 0;
  for (const { inode } of tree.nodes) time = Math.max(time, inode.mtime.seconds);
  return Math.min(time, latest);
}

function fileAccess(fd: number): RandomAccess {
  return {
    writeAt(position, chunks) {
      for (const chunk of chunks) {
        writeAll(fd, chunk, position);
        position += chunk.length;
      }
    },
    readAt(position, target) {
      for (let done = 0; done < target.length; ) {
        const count = readSync(fd, target, done, target.length - done, position + done);
        if (count === 0) throw new DiskError('internal', 'an image is shorter than what was written to it');
        done += count;
      }
    },
  };
}

function appender(fd: number, start: number) {
  return {
    position: start,
    append(bytes: Uint8Array) {
      writeAll(fd, bytes, this.position);
      this.position += bytes.length;
    },
  };
}
