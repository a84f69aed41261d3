import { wrapErrno } from '../error/index.ts';
import { parallelism, throwIfAborted } from '../host/index.ts';
import { readFully } from './block-hasher.ts';
import { hashBlock } from './create.ts';
import { VerityError } from './error.ts';
import { BlockFile } from './file.ts';
import { computeGeometry } from './geometry.ts';
import { blockSize } from './layout.ts';
import { runPass } from './run-pass.ts';
import { isUuidOf, makeUuid, readSuperblock, type VerityParameters } from './superblock.ts';
import type { VerityTree } from './tree.ts';

export interface VerifyVerityOptions {
  /** Path of the data. */
  readonly data: string;
  /** Path of the hash tree; also one that `veritysetup` made, with sha256 and blocks of 4096 bytes. */
  readonly tree: string;
  /** 64 hex digits. What is compared with it is trusted; nothing else is. */
  readonly rootHash: string;
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads data and tree, and compares all with the root hash: from the top down, so that what a level is compared with has itself
 * been compared by then, and the block that is named is the one that is wrong. Every bit of both files counts.
 *
 * VerityError `corrupt`: `detail` says which file (`path`), what it is there (`what`: data, hash, superblock), the lowest wrong
 * block and its offset in bytes. `invalid` if it is no hash tree, `unsupported` if it is one of another kind.
 */
export async function verifyVerityTree(options: VerifyVerityOptions): Promise<VerityTree> {
  const { rootHash, jobs = parallelism(), signal } = options;
  if (!/^[0-9a-f]{64}$/i.test(rootHash)) {
    throw new VerityError('invalid', `${JSON.stringify(rootHash)} is no root hash: 64 hex digits`, {
      detail: { rootHash },
    });
  }
  throwIfAborted(signal);
  using data = new BlockFile(options.data);
  using tree = new BlockFile(options.tree);
  try {
    const parameters = checkParameters(tree, data, Buffer.from(rootHash, 'hex'));
    const { salt, dataBlocks } = parameters;
    await compareLevels(data, tree, { parameters, rootHash: rootHash.toLowerCase(), jobs, signal });
    data.checkUnchanged();
    tree.checkUnchanged();
    return {
      path: tree.path,
      rootHash: rootHash.toLowerCase(),
      salt: Buffer.from(salt).toString('hex'),
      dataBlocks,
      hashOffset: 0,
    };
  } catch (error) {
    throw wrapErrno(error, `cannot compare ${data.path} with its hash tree ${tree.path}`);
  }
}

/** What the root hash does not vouch for: the superblock, and the lengths of the files. */
function checkParameters(tree: BlockFile, data: BlockFile, rootHash: Uint8Array): VerityParameters {
  const block = Buffer.alloc(blockSize);
  const parameters = readSuperblock(block.subarray(0, readFully(tree.fd, block, blockSize, 0)));
  const { uuid, salt, dataBlocks } = parameters;
  if (!isUuidOf(uuid, makeUuid(rootHash, salt, dataBlocks))) {
    throw new VerityError('corrupt', `the hash tree ${tree.path} has another tree's UUID or root hash`, {
      detail: { path: tree.path, what: 'superblock', block: 0, offset: 0 },
    });
  }
  for (const [{ path, size }, wanted] of [
    [data, dataBlocks * blockSize],
    [tree, computeGeometry(dataBlocks).size],
  ] as const) {
    if (size === wanted) continue;
    throw new VerityError('corrupt', `${path} has ${size} bytes, not ${wanted} as the hash tree says`, {
      detail: { path, size, expected: wanted },
    });
  }
  return parameters;
}

async function compareLevels(
  data: BlockFile,
  tree: BlockFile,
  options: {
    readonly parameters: VerityParameters;
    readonly rootHash: string;
    readonly jobs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { salt, dataBlocks } = options.parameters;
  const { levels } = computeGeometry(dataBlocks);
  const top = levels.at(-1);
  const [file, position] = top === undefined ? [data, 0] : [tree, top.position];
  if (hashBlock(file.fd, position, salt).toString('hex') !== options.rootHash) {
    throw wrongBlock(file === data ? 'data' : 'hash', file, position / blockSize, 'the root hash');
  }
  for (let level = levels.length - 1; level >= 0; level--) {
    const below = levels[level - 1];
    const source = below === undefined ? data : tree;
    const sourcePosition = below?.position ?? 0;
    const wrong = await runPass(
      {
        ...{ source: source.fd, sourcePosition, blocks: below?.blocks ?? dataBlocks },
        ...{ target: tree.fd, targetPosition: levels[level]!.position, compare: true },
      },
      salt,
      options,
    );
    if (wrong === undefined) continue;
    const block = sourcePosition / blockSize + wrong;
    throw wrongBlock(below === undefined ? 'data' : 'hash', source, block, 'its digest in the hash tree');
  }
}

function wrongBlock(what: 'data' | 'hash', { path }: BlockFile, block: number, against: string): VerityError {
  const offset = block * blockSize;
  return new VerityError(
    'corrupt',
    `${path}: ${what} block ${block} (byte ${offset}) is not what ${against} says`,
    {
      detail: { path, what, block, offset },
    },
  );
}
