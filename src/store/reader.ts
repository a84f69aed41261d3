import type { BlobLocation } from '../content/index.ts';
import { type Digest, formatPlatform, parsePlatform } from '../oci/index.ts';
import { findArtifact, listArtifacts, type StoredArtifact } from './artifact.ts';
import type { ArtifactKey } from './artifact-key.ts';
import { findBlob } from './blob.ts';
import type { Catalogue } from './catalogue.ts';
import { StoreError } from './error.ts';
import type { ImageName, StoredImage } from './image.ts';
import { openCatalogue, type StoreOptions } from './open.ts';
import { warmPlace } from './warm-place.ts';

/** As `openStore`, for whoever only wants to find what is there: the rest of the code is not loaded. */
export async function openStoreReader(options: StoreOptions = {}): Promise<StoreReader> {
  return new StoreReader(await openCatalogue(options));
}

/** What is found in a cache. All of it is quick, and changes nothing but times of use. */
export class StoreReader implements Disposable {
  readonly #catalogue: Catalogue;

  /** `openStoreReader` makes them. */
  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** The directory, absolute. */
  get root(): string {
    return this.#catalogue.layout.root;
  }

  /** Where a blob lies, if it is there and, where `size` is given, has that many bytes. */
  findBlob(digest: Digest, size?: number): BlobLocation | undefined {
    return findBlob(this.#catalogue.layout, digest, size);
  }

  /** All images; the one pulled last comes last. */
  images(): readonly StoredImage[] {
    return this.#catalogue.images.all();
  }

  /** What a reference stands for here, one image a platform; empty if nothing. OciError if it is no reference. */
  findImages(reference: string): readonly StoredImage[] {
    return this.#catalogue.images.find(reference);
  }

  /** The same for what a person types: digits of a digest will do. StoreError `not-found`, or `invalid` if ambiguous. */
  selectImages(
    text: string,
    options: { readonly platform?: string | undefined } = {},
  ): readonly StoredImage[] {
    const found = this.#catalogue.images.select(text);
    if (options.platform === undefined) return found;
    const platform = formatPlatform(parsePlatform(options.platform));
    const chosen = found.filter(image => image.platform === platform);
    if (chosen.length > 0) return chosen;
    const there = [...new Set(found.map(image => image.platform))];
    throw new StoreError('not-found', `the cache has ${JSON.stringify(text)} only for ${there.join(', ')}`, {
      detail: { name: text, platform, platforms: there },
    });
  }

  /** Records that an image is used; at most once a minute that costs a write. */
  touchImage(image: ImageName): void {
    const { database, images } = this.#catalogue;
    const now = Date.now();
    if (images.isStale(image, now)) database.write(() => images.touch(image, now));
  }

  /** The artifact of a key, if it is there. */
  findArtifact(key: ArtifactKey): StoredArtifact | undefined {
    return findArtifact(this.#catalogue, key);
  }

  /** All artifacts that are known, oldest first. */
  artifacts(): readonly StoredArtifact[] {
    return listArtifacts(this.#catalogue);
  }

  /**
   * Where a directory is that was made of an artifact to start something faster, whether or not it is there. Its maker renames it
   * there when it is whole, from beside it: `.NAME` or `NAME.draft`, of which gc takes those that are an hour old.
   *
   * It goes with the artifact, but not while somebody holds a lock, be it shared, of a file `lock` or `*.lock` in it. Who has
   * such a lock has the directory; taking one fails with ENOENT when it is gone, and may be refused for the moment in which gc
   * looks.
   */
  warmDirectory(artifactKey: string, name: string): string {
    return warmPlace(this.#catalogue.layout, artifactKey, name);
  }

  [Symbol.dispose](): void {
    this.#catalogue[Symbol.dispose]();
  }
}
