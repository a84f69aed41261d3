import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { type FileLock, registerUnfinished, syncDirectoryNow } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Measured } from '../verity/index.ts';
import { isWhole, knownArtifact, type StoredArtifact } from './artifact.ts';
import { type ArtifactKey, describeArtifactKey, formatArtifactKey, subjectDigest } from './artifact-key.ts';
import type { Catalogue } from './catalogue.ts';
import { DraftDirectory } from './draft-directory.ts';
import { StoreError, wrapStore } from './error.ts';
import { digestFile, measureFresh } from './measure.ts';
import { withoutSeal } from './seal.ts';
import { settleFile } from './settle-file.ts';
import { describeTree, placeTree, type TreeRow, veritySuffix } from './verity.ts';

/** An artifact that is being made. Disposing it without a commit removes what was written. */
export interface ArtifactDraft extends Disposable {
  /** Where to write it: a name, not yet taken, in a directory of its own, of one filesystem with its place. */
  readonly path: string;
  /**
   * Makes it the artifact of its key, in place of one that was there before; durable when the promise is fulfilled. If somebody
   * else has stored the same bytes since the draft began, theirs stay, and are what is returned.
   */
  commit(made: MadeArtifact): Promise<StoredArtifact>;
}

/** What its maker knows of a file. Of hashes that are not given, all are computed: that reads the file once. */
export interface MadeArtifact {
  /** Bytes. */
  readonly size: number;
  /** The file's sha256. */
  readonly digest?: Digest | undefined;
  readonly measured?: Measured | undefined;
  /** The path of the hash tree that `measured` is of, in the draft's directory: stored beside the artifact. */
  readonly tree?: string | undefined;
  /** How many threads hash, of what is not given; as many as there are processors if not given. */
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Begins one; `extension` is how its file's name ends, such as `sqfs`. The lock, if there is one, is its from now on. */
export function createArtifact(
  catalogue: Catalogue,
  key: ArtifactKey,
  extension: string,
  lock?: FileLock | undefined,
): ArtifactDraft {
  if (!/^[a-z0-9]+(\.[a-z0-9]+)*$/.test(extension)) {
    throw new StoreError('internal', `${JSON.stringify(extension)} cannot end an artifact's name`);
  }
  return new OpenDraft(catalogue, key, `${formatArtifactKey(key)}.${extension}`, lock);
}

class OpenDraft implements ArtifactDraft {
  readonly path: string;
  readonly #catalogue: Catalogue;
  readonly #key: ArtifactKey;
  readonly #file: string;
  readonly #directory: DraftDirectory;
  readonly #lock: FileLock | undefined;
  readonly #forget: () => void;
  readonly #begun = Date.now();

  constructor(catalogue: Catalogue, key: ArtifactKey, file: string, lock: FileLock | undefined) {
    const subject = subjectDigest(key);
    const purpose = `render of ${subject} as ${key.format}`;
    this.#catalogue = catalogue;
    this.#key = key;
    this.#file = file;
    this.#directory = new DraftDirectory(catalogue, catalogue.layout.artifacts, purpose, [subject]);
    this.path = join(this.#directory.path, file);
    this.#lock = lock;
    this.#forget = lock === undefined ? () => {} : registerUnfinished(() => lock.remove());
  }

  async commit(made: MadeArtifact): Promise<StoredArtifact> {
    const { layout, database, reach } = this.#catalogue;
    const key = formatArtifactKey(this.#key);
    const place = layout.artifact(this.#file);
    try {
      await settleFile(this.path, made.size);
      const { digest, measured } = await this.#measure(made);
      const tree = made.tree === undefined ? undefined : await this.#describeTree(key, made.tree, measured);
      reach('artifact-synced');
      // In one transaction: gc never finds a file without its row.
      return database.write(() => {
        if (!this.#isStored(key, digest, made.size)) {
          withoutSeal(place, () => renameSync(this.path, place));
          syncDirectoryNow(layout.artifacts);
          reach('artifact-renamed');
          this.#insert(key, digest, measured);
        }
        if (made.tree !== undefined && tree !== undefined) placeTree(this.#catalogue, tree, made.tree);
        return knownArtifact(this.#catalogue, key)!;
      });
    } catch (error) {
      throw wrapStore(error, `cannot store ${place}`, layout.root);
    } finally {
      this[Symbol.dispose]();
    }
  }

  /** What its maker did not compute. */
  async #measure({ size, digest, measured, jobs, signal }: MadeArtifact): Promise<{
    readonly digest: Digest;
    readonly measured: Measured;
  }> {
    const { path } = this;
    if (measured !== undefined) {
      if (measured.size === size)
        return { measured, digest: digest ?? (await digestFile(path, size, { signal })) };
      throw new StoreError('internal', `${path}: ${measured.size} of ${size} bytes were measured`);
    }
    const all = await measureFresh(path, size, { jobs, signal });
    if (digest === undefined || digest === all.digest) return { digest: all.digest, measured: all };
    throw new StoreError('internal', `${path} has the digest ${all.digest}, not ${digest}`);
  }

  async #describeTree(key: string, path: string, measured: Measured): Promise<TreeRow> {
    const { rootHash, salt, dataBlocks } = measured;
    if (rootHash === undefined) {
      throw new StoreError('internal', `${path} cannot be a hash tree: there are no whole blocks of data`);
    }
    const file = this.#file + veritySuffix;
    return await describeTree({ key, file }, { path, rootHash, salt, dataBlocks, hashOffset: 0 });
  }

  /** Inside a transaction: whether somebody else was faster. One that was there when we began is not good, to our maker. */
  #isStored(key: string, digest: Digest, size: number): boolean {
    const other = knownArtifact(this.#catalogue, key);
    if (other === undefined || other.created.getTime() < this.#begun) return false;
    return other.digest === digest && other.size === size && isWhole(other);
  }

  #insert(key: string, digest: Digest, measured: Measured): void {
    const { size, rootHash = null, salt, dataBlocks, fsverity } = measured;
    const { database } = this.#catalogue;
    const now = Date.now();
    const row = {
      ...{ key, file: this.#file, subject: subjectDigest(this.#key), format: this.#key.format, size, digest },
      ...{ created: now, used: now, of_layer: this.#key.diffId === undefined ? 0 : 1 },
      ...{ root_hash: rootHash, salt, data_blocks: dataBlocks, fsverity },
      description: describeArtifactKey(this.#key),
    };
    // A tree of the same bytes stays.
    database.run('DELETE FROM artifact WHERE key = ? AND digest <> ?', key, digest);
    const names = Object.keys(row);
    database.run(
      `INSERT INTO artifact (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
       ON CONFLICT (key) DO UPDATE SET ${names.map(name => `${name} = excluded.${name}`).join(', ')}`,
      ...Object.values(row),
    );
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
    this.#forget();
    this.#lock?.remove();
  }
}
