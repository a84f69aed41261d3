import { createHash } from 'node:crypto';
import { readLocation } from '../content/index.ts';
import { type Digest, parseDigest } from '../oci/index.ts';
import type { Measured } from '../verity/index.ts';

/** All that is known of a file by its bytes. */
export type MeasuredFile = Measured & { readonly digest: Digest };

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onRead?: ((bytes: number) => void) | undefined;
}

/** The sha256 of a file of that size. ContentError `corrupt` if it is shorter. */
export async function digestFile(path: string, size: number, options: ReadOptions = {}): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of readLocation({ path, offset: 0, size }, { signal: options.signal })) {
    options.onRead?.(chunk.length);
    hash.update(chunk);
  }
  return parseDigest(`sha256:${hash.digest('hex')}`);
}

/** All hashes of a file that was just written, as fast as can be: its digest on this thread, and the others on as many as there are. */
export async function measureFresh(
  path: string,
  size: number,
  options: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<MeasuredFile> {
  const { measureFile } = await import('../verity/index.ts');
  const [measured, digest] = await Promise.all([
    measureFile(path, options),
    digestFile(path, size, { signal: options.signal }),
  ]);
  return { ...measured, digest };
}

/** The same of one that may have to come from the disk: it is read once, in order. */
export async function measureStored(
  path: string,
  size: number,
  options: ReadOptions & {
    /** What the root hash is of, if not all of the file: those of its blocks, with that salt, in hex. */
    readonly part?: { readonly salt: string; readonly dataBlocks: number } | undefined;
    /** Whoever else wants to hear the file. */
    readonly each?: ((chunk: Uint8Array) => void) | undefined;
  } = {},
): Promise<MeasuredFile> {
  const { part, signal, onRead, each } = options;
  const { BlockTree } = await import('./block-tree.ts');
  const { fsverityDigest, verityBlockSize } = await import('../verity/index.ts');
  const isWhole = size > 0 && size % verityBlockSize === 0;
  const tree = new BlockTree(size, new Uint8Array());
  const own = part && new BlockTree(part.dataBlocks * verityBlockSize, Buffer.from(part.salt, 'hex'));
  const hash = createHash('sha256');
  for await (const chunk of readLocation({ path, offset: 0, size }, { signal })) {
    onRead?.(chunk.length);
    hash.update(chunk);
    tree.update(chunk);
    own?.update(chunk);
    each?.(chunk);
  }
  const root = tree.finish().rootHash.toString('hex');
  return {
    ...{ size, digest: parseDigest(`sha256:${hash.digest('hex')}`), fsverity: fsverityDigest(root, size) },
    ...(own !== undefined
      ? { ...part!, rootHash: own.finish().rootHash.toString('hex') }
      : { salt: '', dataBlocks: isWhole ? size / verityBlockSize : 0, rootHash: isWhole ? root : undefined }),
  };
}
