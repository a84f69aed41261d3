import { lstatSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { syncDirectoryNow } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { VerityTree } from '../verity/index.ts';
import type { StoredArtifact } from './artifact.ts';
import { subjectDigest } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import type { Row } from './database.ts';
import { DraftDirectory } from './draft-directory.ts';
import { StoreError, wrapStore } from './error.ts';
import { digestFile } from './measure.ts';
import { withoutSeal } from './seal.ts';
import { settleFile } from './settle-file.ts';

/** The hash tree of an artifact, beside it; it goes when the artifact goes. */
export interface StoredVerity extends VerityTree {
  /** The artifact's. */
  readonly key: string;
  /** Of the tree's file, in bytes. */
  readonly size: number;
  /** Of the tree's file. */
  readonly digest: Digest;
}

/** What the name of a tree ends in, behind the name of its artifact. */
export const veritySuffix = '.verity';

/** The tree of an artifact, if there is one in full size. */
export function findVerity(catalogue: Catalogue, { key }: StoredArtifact): StoredVerity | undefined {
  const row = catalogue.database.first('SELECT * FROM verity WHERE key = ?', key);
  if (row === undefined) return undefined;
  const tree = readVerity(row, catalogue.layout.artifacts);
  const stats = lstatSync(tree.path, { throwIfNoEntry: false });
  return stats?.isFile() && stats.size === tree.size ? tree : undefined;
}

/** All that the database knows, whether or not the files are there. */
export function listVerity({ database, layout }: Catalogue): StoredVerity[] {
  return database.all('SELECT * FROM verity ORDER BY key').map(row => readVerity(row, layout.artifacts));
}

/**
 * Has a tree made, in a draft directory, and stores it beside its artifact, in place of one that is there; durable when the promise is
 * fulfilled. StoreError `not-found` if the artifact has gone meanwhile, or another one has come in its place.
 */
export async function putVerity(
  catalogue: Catalogue,
  artifact: StoredArtifact,
  make: (path: string) => Promise<VerityTree>,
): Promise<StoredVerity> {
  const { layout, database } = catalogue;
  const file = basename(artifact.path) + veritySuffix;
  const subject = subjectDigest(artifact);
  const purpose = `hash tree of ${subject} as ${artifact.format}`;
  using draft = new DraftDirectory(catalogue, layout.artifacts, purpose, [subject]);
  const made = await make(join(draft.path, file));
  try {
    const row = await describeTree({ key: artifact.key, file }, made);
    // In one transaction, as an artifact and its row: gc never finds the one without the other.
    database.write(() => {
      requireSame(catalogue, artifact);
      placeTree(catalogue, row, made.path);
    });
    return readVerity(row, layout.artifacts);
  } catch (error) {
    throw wrapStore(error, `cannot store ${layout.artifact(file)}`, layout.root);
  }
}

/** A row of the table. */
export type TreeRow = Readonly<Record<'key' | 'file' | 'root_hash' | 'salt' | 'digest', string>> &
  Readonly<Record<'data_blocks' | 'size', number>>;

/** Makes the file of a tree durable, and says what its row will be. */
export async function describeTree(
  { key, file }: Pick<TreeRow, 'key' | 'file'>,
  { path, rootHash, salt, dataBlocks }: VerityTree,
): Promise<TreeRow> {
  const { size } = lstatSync(path);
  await settleFile(path, size);
  const digest = await digestFile(path, size);
  return { key, file, root_hash: rootHash, salt, data_blocks: dataBlocks, size, digest };
}

/** Inside a transaction: puts a tree beside its artifact, whose row is there. */
export function placeTree({ database, layout, reach }: Catalogue, row: TreeRow, path: string): void {
  const place = layout.artifact(row.file);
  withoutSeal(place, () => renameSync(path, place));
  syncDirectoryNow(layout.artifacts);
  reach('verity-renamed');
  const { key, file, root_hash, salt, data_blocks, size, digest } = row;
  const values = [key, file, root_hash, salt, data_blocks, size, digest];
  database.run('INSERT OR REPLACE INTO verity VALUES (?, ?, ?, ?, ?, ?, ?)', ...values);
}

/** Inside a transaction: the tree belongs to the bytes that it was made of. */
function requireSame({ database }: Catalogue, artifact: StoredArtifact): void {
  const row = database.first('SELECT digest, size FROM artifact WHERE key = ?', artifact.key);
  // Made anew, it has the same bytes if it has the same digest.
  if (row?.digest === artifact.digest && row.size === artifact.size) return;
  throw new StoreError('not-found', `the artifact ${artifact.path} is not there any more`, {
    detail: { path: artifact.path, key: artifact.key },
    hint: 'try again: what is missing is made again',
  });
}

function readVerity(row: Row, directory: string): StoredVerity {
  return {
    key: row.key as string,
    path: join(directory, row.file as string),
    rootHash: row.root_hash as string,
    salt: row.salt as string,
    dataBlocks: row.data_blocks as number,
    hashOffset: 0,
    size: row.size as number,
    digest: row.digest as Digest,
  };
}
