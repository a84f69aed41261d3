import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../oci/index.ts';
import { type ArtifactKey, type ArtifactSubject, formatArtifactKey } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import type { Row } from './database.ts';
import { useGrain } from './images.ts';

/** A rendered artifact: a file that can be made again, and need not be; nobody writes to it (0444). */
export type StoredArtifact = ArtifactSubject & {
  readonly key: string;
  readonly path: string;
  readonly format: string;
  /** Bytes. */
  readonly size: number;
  /** Of the file. */
  readonly digest: Digest;
  readonly created: Date;
  readonly used: Date;
  /**
   * dm-verity's, 64 hex digits; `undefined` if the file is no whole number of blocks of 4096 bytes. It may have a tree in
   * the file itself or beside it, or none; `findVerity` gives one beside it, whose salt and root hash may be others.
   */
  readonly rootHash: string | undefined;
  /** Of the root hash, in hex; empty if there is none. */
  readonly salt: string;
  /** How many blocks of 4096 bytes the root hash is for; 0 if there is none. */
  readonly dataBlocks: number;
  /**
   * What the kernel's fs-verity makes of the file, with sha256, blocks of 4096 bytes and no salt. `undefined` only if an
   * earlier version stored it, and `measureArtifact` or fsck has not come by since: then there is no root hash either.
   */
  readonly fsverity: Digest | undefined;
  /** Those of its key; `undefined` if an earlier version stored it, which kept only the key's name. */
  readonly made: Pick<ArtifactKey, 'options' | 'versions'> | undefined;
};

/** The artifact of a key, if its file is there in full size. That it is used is recorded. */
export function findArtifact(catalogue: Catalogue, key: ArtifactKey): StoredArtifact | undefined {
  const { database } = catalogue;
  const artifact = knownArtifact(catalogue, formatArtifactKey(key));
  if (artifact === undefined) return undefined;
  if (!isWhole(artifact)) return undefined;
  const now = Date.now();
  if (Math.abs(now - artifact.used.getTime()) >= useGrain) {
    database.write(() => database.run('UPDATE artifact SET used = ? WHERE key = ?', now, artifact.key));
  }
  return artifact;
}

/** Whether its file is there in full size. */
export function isWhole({ path, size }: Pick<StoredArtifact, 'path' | 'size'>): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && stats.size === size;
}

/** All that the database knows, whether or not the files are there. */
export function listArtifacts({ database, layout }: Catalogue): StoredArtifact[] {
  return database
    .all('SELECT * FROM artifact ORDER BY created, key')
    .map(row => readArtifact(row, layout.artifacts));
}

/** What the database knows of the artifact of that name, whether or not its file is there. */
export function knownArtifact({ database, layout }: Catalogue, key: string): StoredArtifact | undefined {
  const row = database.first('SELECT * FROM artifact WHERE key = ?', key);
  return row && readArtifact(row, layout.artifacts);
}

/** A row of the table. */
export function readArtifact(row: Row, directory: string): StoredArtifact {
  const subject = row.subject as Digest;
  return {
    key: row.key as string,
    path: join(directory, row.file as string),
    ...(row.of_layer === 1 ? { diffId: subject } : { manifest: subject }),
    format: row.format as string,
    size: row.size as number,
    digest: row.digest as Digest,
    created: new Date(row.created as number),
    used: new Date(row.used as number),
    rootHash: (row.root_hash ?? undefined) as string | undefined,
    salt: row.salt as string,
    dataBlocks: row.data_blocks as number,
    fsverity: (row.fsverity ?? undefined) as Digest | undefined,
    made: readMade(row.description as string | null),
  };
}

function readMade(description: string | null): StoredArtifact['made'] {
  if (description === null) return undefined;
  const { options, versions } = JSON.parse(description) as ArtifactKey;
  return { options, versions };
}
