import { createHash } from 'node:crypto';
import { lstatSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readLocation } from '../content/index.ts';
import { syncDirectoryNow } from '../host/index.ts';
import { type Digest, parseDigest } from '../oci/index.ts';
import type { VerityTree } from '../verity/index.ts';
import type { StoredArtifact } from './artifact.ts';
import { syncPrivate } from './artifact-draft.ts';
import type { Catalogue } from './catalogue.ts';
import type { Row } from './database.ts';
import { DraftDirectory } from './draft-directory.ts';
import { StoreError, wrapStore } from './error.ts';

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
  const { layout, database, reach } = catalogue;
  const file = basename(artifact.path) + veritySuffix;
  const place = layout.artifact(file);
  const purpose = `hash tree of ${artifact.manifest} as ${artifact.format}`;
  using draft = new DraftDirectory(catalogue, layout.artifacts, purpose, [artifact.manifest]);
  const made = await make(join(draft.path, file));
  try {
    const { size } = lstatSync(made.path);
    await syncPrivate(made.path, size);
    const row = {
      key: artifact.key,
      file,
      root_hash: made.rootHash,
      salt: made.salt,
      data_blocks: made.dataBlocks,
      size,
      digest: await digestFile(made.path, size),
    };
    // In one transaction, as an artifact and its row: gc never finds the one without the other.
    database.write(() => {
      requireSame(catalogue, artifact);
      renameSync(made.path, place);
      syncDirectoryNow(layout.artifacts);
      reach('verity-renamed');
      database.run('INSERT OR REPLACE INTO verity VALUES (?, ?, ?, ?, ?, ?, ?)', ...Object.values(row));
    });
    return readVerity(row, layout.artifacts);
  } catch (error) {
    throw wrapStore(error, `cannot store ${place}`, layout.root);
  }
}

/** Inside a transaction: the tree belongs to the bytes that it was made of. */
function requireSame({ database }: Catalogue, artifact: StoredArtifact): void {
  const row = database.first('SELECT digest, size, created FROM artifact WHERE key = ?', artifact.key);
  // Made anew, it has the same bytes if it has the same digest.
  const same =
    artifact.digest === undefined
      ? row?.created === artifact.created.getTime()
      : row?.digest === artifact.digest && row.size === artifact.size;
  if (same) return;
  throw new StoreError('not-found', `the artifact ${artifact.path} is not there any more`, {
    detail: { path: artifact.path, key: artifact.key },
    hint: 'try again: what is missing is made again',
  });
}

async function digestFile(path: string, size: number): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of readLocation({ path, offset: 0, size })) hash.update(chunk);
  return parseDigest(`sha256:${hash.digest('hex')}`);
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
