import { wrapErrno } from '../error/index.ts';
import { parallelism, throwIfAborted } from '../host/index.ts';
import { hashData } from './data.ts';
import { BlockFile } from './file.ts';
import { fsverityDigest } from './fs-verity.ts';
import { blockSize } from './layout.ts';

/** What vouches for every bit of a file, by two names. */
export interface Measured {
  /** Of the file, in bytes. */
  readonly size: number;
  /** dm-verity's; 64 hex digits. None where the data is empty or no whole number of blocks. */
  readonly rootHash: string | undefined;
  /** Of the root hash, in hex; empty if there is none. */
  readonly salt: string;
  /** How many blocks of 4096 bytes the root hash is for: those of the file, or those before its appended tree. 0 if there is none. */
  readonly dataBlocks: number;
  /** fs-verity's, of the whole file: `sha256:…`. Always without a salt. */
  readonly fsverity: string;
}

/**
 * The root hash and the fs-verity digest of a file, in one pass over it; nothing is written. Takes about a MiB a thread, and 64 KiB
 * for each GiB. VerityError `invalid` for what is no regular file, `conflict` if it is changed meanwhile.
 */
export async function measureFile(
  path: string,
  options: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Measured> {
  const { jobs = parallelism(), signal } = options;
  throwIfAborted(signal);
  using data = new BlockFile(path);
  const { fd: source, size } = data;
  try {
    if (size === 0) return describe('', size);
    const { rootHash } = await hashData({ source, size, salt: new Uint8Array(), jobs, signal });
    data.checkUnchanged();
    return describe(rootHash.toString('hex'), size);
  } catch (error) {
    throw wrapErrno(error, `cannot hash ${path}`);
  }
}

/** Of a file of so many bytes, whose Merkle tree has this root. */
export function describe(root: string, size: number): Measured {
  const isWhole = size > 0 && size % blockSize === 0;
  return {
    size,
    rootHash: isWhole ? root : undefined,
    salt: '',
    dataBlocks: isWhole ? size / blockSize : 0,
    fsverity: fsverityDigest(root, size),
  };
}
