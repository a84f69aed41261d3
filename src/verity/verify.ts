import { wrapErrno } from '../error/index.ts';
import { parallelism, throwIfAborted } from '../host/index.ts';
import { readFully } from './block-hasher.ts';
import { hashBlock } from './data.ts';
import { VerityError } from './error.ts';
import { BlockFile } from './file.ts';
import { findAppended } from './find.ts';
import { computeGeometry } from './geometry.ts';
import { blockSize } from './layout.ts';
import { runPass } from './run-pass.ts';
import { isUuidOf, makeUuid, readSuperblock, type VerityParameters } from './superblock.ts';
import { parseRootHash, type VerityTree } from './tree.ts';

export interface VerifyVerityOptions {
  /** Path of the data. */
  readonly data: string;
  /** Path of the hash tree; also one that `veritysetup` made, with sha256 and blocks of 4096 bytes. `data` itself if not given. */
  readonly tree?: string | undefined;
  /** Where the superblock is in that, in bytes. 0 if not given: where the data ends, if the tree is in the same file. */
  readonly hashOffset?: number | undefined;
  /** 64 hex digits. What is compared with it is trusted; nothing else is. */
  readonly rootHash: string;
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads data and tree, and compares all with the root hash: from the top down, so that what a level is compared with has itself
 * been compared by then, and the block that is named is the one that is wrong. Every bit of both files counts, or of the one that
 * both are in.
 *
 * VerityError `corrupt`: `detail` says which file (`path`), what it is there (`what`: data, hash, superblock), the lowest wrong
 * block and its offset in bytes. `invalid` if there is no hash tree, `unsupported` if it is one of another kind.
 */
export async function verifyVerityTree(options: VerifyVerityOptions): Promise<VerityTree> {
  const { jobs = parallelism(), signal } = options;
  const rootHash = parseRootHash(options.rootHash);
  throwIfAborted(signal);
  using data = new BlockFile(options.data);
  using other = options.tree === undefined ? undefined : new BlockFile(options.tree);
  const tree = other === undefined || other.isSame(data) ? data : other;
  const hashOffset = options.hashOffset ?? (tree === data ? requireAppended(data) : 0);
  try {
    const parameters = checkParameters(tree, data, hashOffset, Buffer.from(rootHash, 'hex'));
    const { salt, dataBlocks } = parameters;
    await compareLevels(data, tree, {
      parameters,
      hashOffset,
      rootHash,
      jobs,
      signal,
    });
    data.checkUnchanged();
    tree.checkUnchanged();
    return {
      path: tree.path,
      rootHash,
      salt: Buffer.from(salt).toString('hex'),
      dataBlocks,
      hashOffset,
    };
  } catch (error) {
    throw wrapErrno(error, `cannot compare ${data.path} with its hash tree ${tree.path}`);
  }
}

function requireAppended(data: BlockFile): number {
  const found = findAppended(data);
  if (found !== undefined) return found;
  throw new VerityError('invalid', `${data.path} does not end in a hash tree`, {
    detail: { path: data.path },
    hint: 'name the file that the tree is in, or say where in this one it begins',
  });
}

/** What the root hash does not vouch for: the superblock, and the lengths of the files. */
function checkParameters(
  tree: BlockFile,
  data: BlockFile,
  hashOffset: number,
  rootHash: Uint8Array,
): VerityParameters {
  if (hashOffset % blockSize !== 0 || hashOffset < 0) {
    throw new VerityError(
      'invalid',
      `a hash tree cannot begin at byte ${hashOffset}: blocks have ${blockSize}`,
      {
        detail: { hashOffset, blockSize },
      },
    );
  }
  const block = Buffer.alloc(blockSize);
  const length = readFully(tree.fd, block, blockSize, hashOffset);
  const parameters = readSuperblock(block.subarray(0, length), hashOffset);
  const { uuid, salt, dataBlocks } = parameters;
  if (!isUuidOf(uuid, makeUuid(rootHash, salt, dataBlocks))) {
    throw new VerityError('corrupt', `the hash tree ${tree.path} has another tree's UUID or root hash`, {
      detail: { path: tree.path, what: 'superblock', block: hashOffset / blockSize, offset: hashOffset },
    });
  }
  const dataSize = tree === data ? hashOffset : data.size;
  for (const [path, size, wanted] of [
    [data.path, dataSize, dataBlocks * blockSize],
    [tree.path, tree.size, computeGeometry(dataBlocks, hashOffset).end],
  ] as const) {
    if (size === wanted) continue;
    const where = tree === data && size === dataSize ? ' in front of its hash tree' : '';
    throw new VerityError(
      'corrupt',
      `${path} has ${size} bytes${where}, not ${wanted} as the hash tree says`,
      {
        detail: { path, size, expected: wanted },
      },
    );
  }
  return parameters;
}

async function compareLevels(
  data: BlockFile,
  tree: BlockFile,
  options: {
    readonly parameters: VerityParameters;
    readonly hashOffset: number;
    readonly rootHash: string;
    readonly jobs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { salt, dataBlocks } = options.parameters;
  const { levels } = computeGeometry(dataBlocks, options.hashOffset);
  const top = levels.at(-1);
  const [what, file, position] =
    top === undefined ? (['data', data, 0] as const) : (['hash', tree, top.position] as const);
  if (hashBlock(file.fd, position, salt).toString('hex') !== options.rootHash) {
    throw wrongBlock(what, file, position / blockSize, 'the root hash');
  }
  for (let level = levels.length - 1; level >= 0; level--) {
    const below = levels[level - 1];
    const source = below === undefined ? data : tree;
    const sourcePosition = below?.position ?? 0;
    const wrong = await runPass(
      {
        ...{ source: source.fd, sourcePosition, size: (below?.blocks ?? dataBlocks) * blockSize },
        ...{ target: tree.fd, targetPosition: levels[level]!.position },
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
