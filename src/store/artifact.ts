import { chmodSync, closeSync, lstatSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { syncDirectoryNow, syncFile } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import { type ArtifactKey, formatArtifactKey } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import type { Row } from './database.ts';
import { DraftDirectory } from './draft-directory.ts';
import { StoreError, wrapStore } from './error.ts';
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

/** An artifact that is being made. Disposing it without a commit removes what was written. */
export interface ArtifactDraft extends Disposable {
  /** Where to write it: a name, not yet taken, in a directory of its own, of one filesystem with its place. */
  readonly path: string;
  /** Makes it the artifact of its key, in place of one that is there; durable when the promise is fulfilled. */
  commit(artifact: { readonly digest?: Digest | undefined; readonly size: number }): Promise<StoredArtifact>;
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

/** Begins one; `extension` is how its file's name ends, such as `sqfs`. */
export function createArtifact(catalogue: Catalogue, key: ArtifactKey, extension: string): ArtifactDraft {
  if (!/^[a-z0-9]+(\.[a-z0-9]+)*$/.test(extension)) {
    throw new StoreError('internal', `${JSON.stringify(extension)} cannot end an artifact's name`);
  }
  const name = formatArtifactKey(key);
  return new OpenDraft(catalogue, key, `${name}.${extension}`);
}

class OpenDraft implements ArtifactDraft {
  readonly path: string;
  readonly #catalogue: Catalogue;
  readonly #key: ArtifactKey;
  readonly #file: string;
  readonly #directory: DraftDirectory;

  constructor(catalogue: Catalogue, key: ArtifactKey, file: string) {
    const purpose = `render of ${key.manifest} as ${key.format}`;
    this.#catalogue = catalogue;
    this.#key = key;
    this.#file = file;
    this.#directory = new DraftDirectory(catalogue, catalogue.layout.artifacts, purpose, [key.manifest]);
    this.path = join(this.#directory.path, file);
  }

  async commit({ digest, size }: { digest?: Digest | undefined; size: number }): Promise<StoredArtifact> {
    const { layout, database, reach } = this.#catalogue;
    const place = layout.artifact(this.#file);
    try {
      await syncPrivate(this.path, size);
      const now = Date.now();
      const row = {
        key: formatArtifactKey(this.#key),
        file: this.#file,
        manifest: this.#key.manifest,
        format: this.#key.format,
        size,
        digest: digest ?? null,
        created: now,
        used: now,
      };
      // In one transaction: gc never finds the file without its row.
      database.write(() => {
        renameSync(this.path, place);
        syncDirectoryNow(layout.artifacts);
        reach('artifact-renamed');
        // A tree of the same bytes stays, where they are known to be the same.
        const sql = 'DELETE FROM artifact WHERE key = ? AND (digest IS NULL OR digest <> ?)';
        database.run(sql, row.key, row.digest ?? '');
        database.run(
          `INSERT INTO artifact VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
           file = excluded.file, size = excluded.size, created = excluded.created, used = excluded.used`,
          ...Object.values(row),
        );
      });
      return readArtifact(row, layout.artifacts);
    } catch (error) {
      throw wrapStore(error, `cannot store ${place}`, layout.root);
    } finally {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

/** Checks what was written, and makes it durable and the owner's alone. */
export async function syncPrivate(path: string, size: number): Promise<void> {
  const stats = lstatSync(path);
  if (!stats.isFile() || stats.size !== size) {
    throw new StoreError('internal', `${path} has ${stats.size} bytes, not ${size}`);
  }
  chmodSync(path, 0o600);
  const fd = openSync(path, 'r');
  try {
    await syncFile(fd);
  } catch (error) {
    throw wrapErrno(error, `cannot make ${path} durable`);
  } finally {
    closeSync(fd);
  }
}

function readArtifact(row: Row, directory: string): StoredArtifact {
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
