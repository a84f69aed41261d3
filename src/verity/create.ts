import { wrapErrno } from '../error/index.ts';
import { createAtomicFile, parallelism, throwIfAborted } from '../host/index.ts';
import { hashData } from './data.ts';
import { BlockFile } from './file.ts';
import { computeGeometry } from './geometry.ts';
import { checkSalt, finishTree, lowestPosition, type VerityTree } from './tree.ts';

export interface VerityOptions {
  /** At most 256 bytes; none if not given: then the fs-verity digest is of the same hashes. */
  readonly salt?: Uint8Array | undefined;
  /** How many threads hash; as many as there are processors if not given. */
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CreateVerityOptions extends VerityOptions {
  /** What is hashed: a regular file of at least one and only whole blocks, by its path or by a descriptor that stays open. */
  readonly data: string | { readonly fd: number; readonly path: string };
  /** Path of what is made; nothing may be there yet. */
  readonly tree: string;
}

/**
 * Makes the hash tree of a file, as `veritysetup format` would; the same data and salt make the same bytes. It is there
 * whole and durable when the promise is fulfilled, otherwise not at all. Takes about a MiB a thread, and 64 KiB for each GiB of data.
 *
 * VerityError `invalid` for a size that is no multiple of 4096 or a salt that is too long, `conflict` if the data is changed
 * meanwhile; `exists`, `cancelled` and what the operating system says.
 */
export async function createVerityTree(options: CreateVerityOptions): Promise<VerityTree> {
  const { salt = new Uint8Array(), jobs = parallelism(), signal } = options;
  checkSalt(salt);
  throwIfAborted(signal);
  using data = new BlockFile(options.data);
  const dataBlocks = data.countBlocks();
  await using file = await createAtomicFile(options.tree);
  const { fd, path } = file;
  let tree: VerityTree;
  try {
    file.truncate(computeGeometry(dataBlocks).end);
    const target = { fd, position: lowestPosition(dataBlocks, 0) ?? 0 };
    const { fd: source, size } = data;
    const upper = await hashData({ source, size, salt, target, jobs, signal });
    tree = finishTree({ path, fd, hashOffset: 0, dataBlocks, salt }, upper);
  } catch (error) {
    throw wrapErrno(error, `cannot make the hash tree ${path} of ${data.path}`);
  }
  data.checkUnchanged();
  await file.commit();
  return tree;
}
