import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../oci/index.ts';
import { type ArtifactKey, formatArtifactKey } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import type { Row } from './database.ts';
import { useGrain } from './images.ts';

/** A rendered artifact: a file that can be made again, and need not be. */
export interface StoredArtifact {
  readonly key: string;
  readonly path: string;
  /** Of the image's manifest. */
  readonly manifest: Digest;
  readonly format: string;
  /** Bytes. */
  readonly size: number;
  /** Of the file; `undefined` if its maker did not compute it: then only its size can be checked. */
  readonly digest: Digest | undefined;
  readonly created: Date;
  readonly used: Date;
}

/** The artifact of a key, if its file is there in full size. That it is used is recorded. */
export function findArtifact(catalogue: Catalogue, key: ArtifactKey): StoredArtifact | undefined {
  const { database, layout } = catalogue;
  const row = database.first('SELECT * FROM artifact WHERE key = ?', formatArtifactKey(key));
  if (row === undefined) return undefined;
  const artifact = readArtifact(row, layout.artifacts);
  const stats = lstatSync(artifact.path, { throwIfNoEntry: false });
  if (!stats?.isFile() || stats.size !== artifact.size) return undefined;
  const now = Date.now();
  if (Math.abs(now - artifact.used.getTime()) >= useGrain) {
    database.write(() => database.run('UPDATE artifact SET used = ? WHERE key = ?', now, artifact.key));
  }
  return artifact;
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
  return {
    key: row.key as string,
    path: join(directory, row.file as string),
    manifest: row.manifest as Digest,
    format: row.format as string,
    size: row.size as number,
    digest: (row.digest ?? undefined) as Digest | undefined,
    created: new Date(row.created as number),
    used: new Date(row.used as number),
  };
}
