import { existsSync, statSync } from 'node:fs';
import {
  findAppendedTree,
  fsverityDigest,
  measureFile,
  parseFsverityDigest,
  parseRootHash,
  VerityError,
  type VerityTree,
  verifyVerityTree,
  verityBlockSize,
} from '../../verity/index.ts';

export interface RootHashRequest {
  /** dm-verity's: 64 hex digits. */
  readonly rootHash?: string | undefined;
  /** Where the hash tree is, and where it begins there, in bytes. At the end of the file or beside it, as FILE.verity, if not given. */
  readonly hashFile?: string | undefined;
  readonly hashOffset?: number | undefined;
  /** fs-verity's digest of the whole file: `sha256:…`. */
  readonly fsverity?: string | undefined;
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a file was found to be; what was not asked for is not there. */
export interface RootHashReport {
  readonly path: string;
  /** Of the whole file, in bytes. */
  readonly size: number;
  readonly rootHash?: string;
  /** So many blocks of 4096 bytes the root hash vouches for. */
  readonly dataBlocks?: number;
  /** Of the root hash, in hex. */
  readonly salt?: string;
  /** The tree that was compared, which is right too; none if there is none, and the root hash was computed. */
  readonly tree?: { readonly path: string; readonly hashOffset: number };
  readonly fsverity?: string;
}

/**
 * Whether a file is what its root hash and its fs-verity digest say, every bit of it and of its hash tree. VerityError `corrupt` if
 * not: where there is a tree, `detail` names the file (`path`), the first wrong block and its offset in bytes. `invalid` for what can be no
 * such hash, or no such tree.
 */
export async function verifyRootHash(path: string, request: RootHashRequest): Promise<RootHashReport> {
  const fsverity = request.fsverity === undefined ? undefined : parseFsverityDigest(request.fsverity);
  const rootHash = request.rootHash === undefined ? undefined : parseRootHash(request.rootHash);
  const root = rootHash === undefined ? {} : await verifyRoot(path, rootHash, request);
  if (fsverity !== undefined) await verifyFsverity(path, fsverity, root, request);
  const { size } = statSync(path);
  return { path, size, ...root, ...(fsverity !== undefined && { fsverity }) };
}

type RootResult = Pick<RootHashReport, 'rootHash' | 'dataBlocks' | 'salt' | 'tree'>;

async function verifyRoot(path: string, rootHash: string, request: RootHashRequest): Promise<RootResult> {
  const { jobs, signal } = request;
  const place = findTree(path, request);
  if (place !== undefined) {
    const tree: VerityTree = await verifyVerityTree({ data: path, ...place, rootHash, jobs, signal });
    const { dataBlocks, salt, hashOffset } = tree;
    return { rootHash: tree.rootHash, dataBlocks, salt, tree: { path: tree.path, hashOffset } };
  }
  const measured = await measureFile(path, { jobs, signal });
  if (measured.rootHash === rootHash) {
    return { rootHash: measured.rootHash, dataBlocks: measured.dataBlocks, salt: '' };
  }
  const hint = 'with its hash tree (--hash-file) the wrong block is named; a root hash with a salt needs it';
  throw differs(path, 'root hash', { expected: rootHash, actual: measured.rootHash ?? 'none' }, hint);
}

async function verifyFsverity(
  path: string,
  expected: string,
  { rootHash, dataBlocks, salt, tree }: RootResult,
  { jobs, signal }: RootHashRequest,
): Promise<void> {
  // Hashes that were compared just now, unless they are of another salt, or only of a part of the file.
  const isKnown = rootHash !== undefined && salt === '' && tree?.path !== path;
  const actual = isKnown
    ? fsverityDigest(rootHash, dataBlocks! * verityBlockSize)
    : (await measureFile(path, { jobs, signal })).fsverity;
  if (actual !== expected) throw differs(path, 'fs-verity digest', { expected, actual });
}

/** Where the tree of a file is, as far as the request leaves that open. */
function findTree(
  path: string,
  { hashFile, hashOffset }: RootHashRequest,
): { readonly tree?: string; readonly hashOffset?: number } | undefined {
  if (hashFile !== undefined) return { tree: hashFile, ...(hashOffset !== undefined && { hashOffset }) };
  const appended = hashOffset ?? findAppendedTree(path);
  if (appended !== undefined) return { hashOffset: appended };
  const beside = `${path}.verity`;
  return existsSync(beside) ? { tree: beside } : undefined;
}

function differs(
  path: string,
  what: string,
  { expected, actual }: { readonly expected: string; readonly actual: string },
  hint?: string,
): VerityError {
  return new VerityError('corrupt', `${path} has the ${what} ${actual}, not ${expected}`, {
    detail: { path, expected, actual },
    ...(hint !== undefined && { hint }),
  });
}
