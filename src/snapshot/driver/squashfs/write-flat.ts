import { closeSync, constants, openSync } from 'node:fs';
import { Warnings, wrapErrno } from '../../../error/index.ts';
import { accessFile, HostError, parallelism, throwIfAborted } from '../../../host/index.ts';
import { type ReadContent, type SquashfsCompression, TreeImage } from '../../../squashfs/index.ts';
import { type FileInode, mapContent, type Tree } from '../../../tree/index.ts';
import { type LayerContent, stackLayers } from '../image/index.ts';

export interface FlatOptions {
  readonly compression: SquashfsCompression;
  /** The compression's usual one if `undefined`. */
  readonly level: number | undefined;
}

const blockSize = 128 * 1024;

/**
 * Writes what layers' files (nearest first) show together as one squashfs. The bytes follow from the layers; times lose their nanoseconds, which
 * squashfs has no room for. Not synced.
 */
export async function writeFlat(
  path: string,
  layers: readonly string[],
  { compression, level }: FlatOptions,
  signal?: AbortSignal,
): Promise<void> {
  const threads = Math.min(parallelism(), 8);
  const check = () => throwIfAborted(signal);
  const fd = open(path);
  try {
    using stacked = stackLayers(layers);
    const { tree } = stacked;
    const output = accessFile(fd, path);
    output.truncate(0);
    await using image = new TreeImage(output, {
      ...{ compression, level, blockSize, threads, warnings: new Warnings(), check },
    });
    await image.finish(await takeContents(tree, image));
  } finally {
    closeSync(fd);
  }
}

async function takeContents(tree: Tree<LayerContent>, image: TreeImage): Promise<Tree<number>> {
  const numbers = new Map<FileInode<LayerContent>['content'], number>();
  for (const { inode } of tree.nodes) {
    if (inode.type !== 'file' || inode.size === 0) continue;
    numbers.set(inode.content, await image.take(inode.size, readerOf(inode)));
  }
  return mapContent(tree, ({ content }) => numbers.get(content) ?? 0);
}

/** Chunks as they come, handed on piece by piece. */
function readerOf({ content, size }: FileInode<LayerContent>): ReadContent {
  const chunks = content.read()[Symbol.iterator]();
  let chunk: Uint8Array = new Uint8Array();
  return target => {
    if (chunk.length === 0) {
      const { done, value } = chunks.next();
      if (done) throw new HostError('conflict', `a file of ${size} bytes ended early`);
      chunk = value;
    }
    const length = Math.min(target.length, chunk.length);
    target.set(chunk.subarray(0, length));
    chunk = chunk.subarray(length);
    return length;
  };
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw wrapErrno(error, `cannot create ${path}`);
  }
}
