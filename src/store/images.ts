import { type Digest, formatReference, OciError, parseReference, type Reference } from '../oci/index.ts';
import type { Database, Row } from './database.ts';
import { StoreError } from './error.ts';
import {
  blobsOf,
  describeImage,
  type ImageName,
  imageNotFound,
  type NewImage,
  type StoredImage,
} from './image.ts';

/** Last use is recorded at most this often, in milliseconds: each record costs a sync of the disk. */
export const useGrain = 60_000;

/** The table of images. Changes must be made inside `Database.write`; they leave index.json to its caller. */
export class ImageTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The most recently pulled last; of one instant, the last to be put. */
  all(): StoredImage[] {
    return this.#database.all('SELECT * FROM image ORDER BY pulled, number').map(readImage);
  }

  /**
   * What a name stands for, one image a platform. A name with a digest also finds what was pulled under another name of
   * the same repository and is that very manifest or index.
   */
  find(reference: string): StoredImage[] {
    const parsed = parseReference(reference);
    const name = formatReference(parsed);
    const exact = this.#database
      .all('SELECT * FROM image WHERE reference = ? ORDER BY pulled, number', name)
      .map(readImage);
    if (exact.length > 0 || parsed.digest === undefined) return exact;
    const found = this.#database
      .all('SELECT * FROM image WHERE manifest = ?1 OR target = ?1 ORDER BY pulled, number', parsed.digest)
      .map(readImage)
      .filter(image => isSameRepository(parseReference(image.reference), parsed));
    return [...new Map(found.map(image => [image.manifest, image])).values()];
  }

  /**
   * What a person may call an image: a name, or at least four digits from the start of the digest of its manifest, its
   * config or its index. StoreError `not-found`; `invalid` if the digits fit several images.
   */
  select(text: string): StoredImage[] {
    const named = findByName(this, text);
    if (named.length > 0) return named;
    const digits = /^(?:sha(?:256|384|512):)?([0-9a-f]{4,128})$/.exec(text)?.[1];
    const all = this.all();
    if (digits === undefined) {
      parseReference(text);
      throw imageNotFound(text, all);
    }
    const starts = (digest: Digest) =>
      digest.startsWith(text) || digest.slice(digest.indexOf(':') + 1).startsWith(text);
    // An index stands for all of its platforms at once; a manifest and its config for one.
    for (const digestsOf of [
      (image: StoredImage) => [image.manifest, image.config],
      (image: StoredImage) => [image.target],
    ]) {
      const found = all.filter(image => digestsOf(image).some(starts));
      const different = new Set(found.map(image => digestsOf(image)[0]));
      if (different.size === 1) return found;
      if (different.size > 1) throw ambiguous(text, found);
    }
    throw imageNotFound(text, all);
  }

  put(image: NewImage): void {
    const { reference, platform, manifest, config, target, pulled, used } = image;
    const { manifestSize, manifestType, configSize, configType, layers, twin } = image;
    const description: Description = { manifestSize, manifestType, configSize, configType, layers, twin };
    const now = Date.now();
    // Another number than before: the newest comes last among those of one instant.
    this.remove(image);
    this.#database.run(
      `INSERT INTO image (reference, platform, manifest, config, target, description, pulled, used)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      reference,
      platform,
      manifest,
      config,
      target,
      JSON.stringify(description),
      pulled?.getTime() ?? now,
      used?.getTime() ?? now,
    );
  }

  remove({ reference, platform }: ImageName): boolean {
    const sql = 'DELETE FROM image WHERE reference = ? AND platform = ?';
    return this.#database.run(sql, reference, platform) > 0;
  }

  /** Whether the time of use is old enough to be worth a write. */
  isStale({ reference, platform }: ImageName, now: number): boolean {
    const sql = 'SELECT used FROM image WHERE reference = ? AND platform = ?';
    const used = this.#database.first(sql, reference, platform)?.used;
    return typeof used === 'number' && Math.abs(now - used) >= useGrain;
  }

  touch({ reference, platform }: ImageName, now: number): void {
    this.#database.run(
      'UPDATE image SET used = ? WHERE reference = ? AND platform = ?',
      now,
      reference,
      platform,
    );
  }
}

function findByName(table: ImageTable, text: string): StoredImage[] {
  try {
    return table.find(text);
  } catch (error) {
    // 64 hex digits after `sha256:` are no name, but a digest all the same.
    if (error instanceof OciError) return [];
    throw error;
  }
}

function ambiguous(text: string, images: readonly StoredImage[]): StoreError {
  const list = images.map(image => `${image.manifest} ${describeImage(image)}`).slice(0, 20);
  return new StoreError('invalid', `${JSON.stringify(text)} is the start of several digests`, {
    detail: { digits: text, images: list },
    hint: `give more digits, or a name: ${list.join(', ')}`,
  });
}

function isSameRepository(one: Reference, other: Reference): boolean {
  return one.registry === other.registry && one.repository === other.repository;
}

/** What nobody searches for: one column of JSON. */
type Description = Pick<
  NewImage,
  'manifestSize' | 'manifestType' | 'configSize' | 'configType' | 'layers' | 'twin'
>;

function readImage(row: Row): StoredImage {
  const image = {
    reference: row.reference as string,
    platform: row.platform as string,
    target: row.target as Digest,
    manifest: row.manifest as Digest,
    config: row.config as Digest,
    ...(JSON.parse(row.description as string) as Description),
    pulled: new Date(row.pulled as number),
    used: new Date(row.used as number),
  };
  return { ...image, size: blobsOf(image).reduce((sum, { size }) => sum + size, 0) };
}
