import { chmodSync, closeSync, constants, lstatSync, openSync } from 'node:fs';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import { measureFresh } from '../../store/measure.ts';
import { appendVerityTree, createVerityTree } from '../../verity/index.ts';
import type { StackFile } from '../stack/manifest.ts';
import { type IntegrityRequest, treeSuffix } from './request.ts';

/** A file of a stack, and where it lies now. */
export interface HashedFile {
  readonly path: string;
  readonly described: StackFile;
}

/**
 * Gives each of these files its hash tree, and says what it is from then on. Files that get theirs appended are changed: they must not be
 * anybody else's. One of no whole number of blocks has none, and stays as it is described.
 */
export async function hashFiles(
  files: readonly HashedFile[],
  { hashTree = 'none' }: IntegrityRequest,
  options: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<ReadonlyMap<string, StackFile>> {
  const result = new Map<string, StackFile>();
  for (const { path, described } of files) {
    const { file, rootHash } = described;
    if (hashTree === 'none' || rootHash === undefined) result.set(file, described);
    else if (hashTree === 'beside') {
      const tree = await createVerityTree({ data: path, tree: path + treeSuffix, ...options });
      checkRoot(path, tree.rootHash, rootHash);
      result.set(file, { ...described, hashFile: file + treeSuffix, hashOffset: tree.hashOffset });
    } else result.set(file, await append(path, described, options));
  }
  return result;
}

async function append(
  path: string,
  described: StackFile,
  options: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<StackFile> {
  const { mode } = lstatSync(path);
  using file = new Writable(path, mode);
  const { rootHash, hashOffset } = await appendVerityTree({ data: file, ...options });
  checkRoot(path, rootHash, described.rootHash!);
  const { size } = lstatSync(path);
  const { digest, fsverity } = await measureFresh(path, size, options);
  return { ...described, size, digest, fsverity, hashFile: described.file, hashOffset };
}

/** The layers' indexes, the cache and the disk must all mean the same bytes. */
function checkRoot(path: string, actual: string, expected: string): void {
  if (actual === expected) return;
  throw new ShaleError('corrupt', `${path} is damaged: its root hash is ${actual}, not ${expected}`, {
    detail: { path, actual },
    hint: 'shale fsck --repair drops it from the cache, and it is made again',
  });
}

/** A file of ours, open for writing although its mode is not. */
class Writable implements Disposable {
  readonly path: string;
  readonly fd: number;

  constructor(path: string, mode: number) {
    this.path = path;
    try {
      chmodSync(path, 0o600);
      this.fd = openSync(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
      chmodSync(path, mode % 0o10000);
    } catch (error) {
      throw wrapErrno(error, `cannot write ${path}`);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
