import { chmodSync, closeSync, lstatSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { syncDirectoryNow, syncFile } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import { readArtifact, type StoredArtifact } from './artifact.ts';
import { type ArtifactKey, formatArtifactKey } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import { DraftDirectory } from './draft-directory.ts';
import { StoreError, wrapStore } from './error.ts';

/** An artifact that is being made. Disposing it without a commit removes what was written. */
export interface ArtifactDraft extends Disposable {
  /** Where to write it: a name, not yet taken, in a directory of its own, of one filesystem with its place. */
  readonly path: string;
  /** Makes it the artifact of its key, in place of one that is there; durable when the promise is fulfilled. */
  commit(artifact: { readonly digest?: Digest | undefined; readonly size: number }): Promise<StoredArtifact>;
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
