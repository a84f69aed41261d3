import { wrapErrno } from '../error/index.ts';
import { type AtomicFile, createAtomicFile, parallelism, throwIfAborted } from '../host/index.ts';
import { BlockHasher } from './block-hasher.ts';
import { VerityError } from './error.ts';
import { BlockFile } from './file.ts';
import { computeGeometry } from './geometry.ts';
import { blockSize, digestSize, maxSaltSize } from './layout.ts';
import { runPass } from './run-pass.ts';
import { makeUuid, writeSuperblock } from './superblock.ts';
import type { VerityTree } from './tree.ts';

export interface CreateVerityOptions {
  /** Path of what is hashed: a regular file of at least one and only whole blocks. */
  readonly data: string;
  /** Path of what is made; nothing may be there yet. */
  readonly tree: string;
  /** At most 256 bytes. */
  readonly salt: Uint8Array;
  /** How many threads hash; as many as there are processors if not given. */
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the hash tree of a file, as `veritysetup format` would; the same data and salt make the same bytes. It is there
 * whole and durable when the promise is fulfilled, otherwise not at all. Takes about a MiB a thread, whatever the size.
 *
 * VerityError `invalid` for a size that is no multiple of 4096 or a salt that is too long, `conflict` if the data is changed
 * meanwhile; `exists`, `cancelled` and what the operating system says.
 */
export async function createVerityTree(options: CreateVerityOptions): Promise<VerityTree> {
  const { salt, jobs = parallelism(), signal } = options;
  if (salt.length > maxSaltSize) {
    throw new VerityError('invalid', `a salt of ${salt.length} bytes: ${maxSaltSize} are the most`, {
      detail: { size: salt.length, most: maxSaltSize },
    });
  }
  throwIfAborted(signal);
  using data = new BlockFile(options.data);
  const dataBlocks = data.countBlocks();
  await using file = await createAtomicFile(options.tree);
  let rootHash: Buffer;
  try {
    rootHash = await writeLevels(data, file, salt, { jobs, signal });
  } catch (error) {
    throw wrapErrno(error, `cannot make the hash tree ${file.path} of ${data.path}`);
  }
  const uuid = makeUuid(rootHash, salt, dataBlocks);
  file.writeAt(writeSuperblock({ uuid, salt, dataBlocks }), 0);
  data.checkUnchanged();
  await file.commit();
  return {
    path: file.path,
    rootHash: rootHash.toString('hex'),
    salt: Buffer.from(salt).toString('hex'),
    dataBlocks,
    hashOffset: 0,
  };
}

/** All hash blocks, from the data up; returns the root hash. */
async function writeLevels(
  data: BlockFile,
  file: AtomicFile,
  salt: Uint8Array,
  options: { readonly jobs: number; readonly signal: AbortSignal | undefined },
): Promise<Buffer> {
  const dataBlocks = data.countBlocks();
  const { levels, size } = computeGeometry(dataBlocks);
  file.truncate(size);
  let below = { source: data.fd, sourcePosition: 0, blocks: dataBlocks };
  for (const { position, blocks } of levels) {
    await runPass({ ...below, target: file.fd, targetPosition: position, compare: false }, salt, options);
    below = { source: file.fd, sourcePosition: position, blocks };
  }
  return hashBlock(below.source, below.sourcePosition, salt);
}

/** The digest of the one block that is uppermost. */
export function hashBlock(file: number, position: number, salt: Uint8Array): Buffer {
  const digest = Buffer.alloc(digestSize);
  if (new BlockHasher(salt).hash(file, position, 1, digest) === 1) return digest;
  throw new VerityError('conflict', `the file ends before ${position + blockSize}`, { hint: 'try again' });
}
