import { constants, ftruncateSync } from 'node:fs';
import { wrapErrno } from '../error/index.ts';
import { parallelism, syncFile, throwIfAborted } from '../host/index.ts';
import type { VerityOptions } from './create.ts';
import { hashData } from './data.ts';
import { VerityError } from './error.ts';
import { BlockFile } from './file.ts';
import { findAppended } from './find.ts';
import { computeGeometry } from './geometry.ts';
import { checkSalt, finishTree, lowestPosition, type VerityTree } from './tree.ts';

export interface AppendVerityOptions extends VerityOptions {
  /** The file: its path, or a descriptor that is open for reading and writing and stays open. */
  readonly data: string | { readonly fd: number; readonly path: string };
}

/**
 * Puts the hash tree of a file behind its data, in the same file: its superblock is where the data ended, which is what
 * `veritysetup --hash-offset` wants to know, and one file is all that has to be kept. The tree is durable when the promise is
 * fulfilled; if it is rejected, the file is its data again. A crash leaves a tree without a superblock. Nobody else may write to the
 * file meanwhile.
 *
 * VerityError as `createVerityTree`; `exists` if there is such a tree already.
 */
export async function appendVerityTree(options: AppendVerityOptions): Promise<VerityTree> {
  const { salt = new Uint8Array(), jobs = parallelism(), signal } = options;
  checkSalt(salt);
  throwIfAborted(signal);
  const { data: given } = options;
  using data = new BlockFile(given, constants.O_RDWR);
  const { fd, path, size } = data;
  const dataBlocks = data.countBlocks();
  if (findAppended(data) !== undefined) {
    throw new VerityError('exists', `${path} ends in a hash tree already`, { detail: { path } });
  }
  let done = false;
  try {
    ftruncateSync(fd, computeGeometry(dataBlocks, size).end);
    const target = { fd, position: lowestPosition(dataBlocks, size) ?? size };
    const upper = await hashData({ source: fd, size, salt, target, jobs, signal });
    const tree = finishTree({ path, fd, hashOffset: size, dataBlocks, salt }, upper);
    await syncFile(fd);
    done = true;
    return tree;
  } catch (error) {
    throw wrapErrno(error, `cannot append the hash tree to ${path}`);
  } finally {
    if (!done) ftruncateSync(fd, size);
  }
}
