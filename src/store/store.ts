import { dirname } from 'node:path';
import type { BlobLocation } from '../content/index.ts';
import { syncDirectoryNow } from '../host/index.ts';
import { type Digest, formatPlatform, formatReference, parsePlatform, parseReference } from '../oci/index.ts';
import type { VerityTree } from '../verity/index.ts';
import type { StoredArtifact } from './artifact.ts';
import { type ArtifactDraft, createArtifact } from './artifact-draft.ts';
import type { ArtifactKey } from './artifact-key.ts';
import { beginArtifact } from './begin-artifact.ts';
import { findBlob } from './blob.ts';
import type { Catalogue } from './catalogue.ts';
import { dropDamagedBlob, putDocument } from './document.ts';
import { StoreError } from './error.ts';
import { checkStore, type FsckOptions, type FsckReport } from './fsck.ts';
import { collect, type GcOptions, type GcReport } from './gc.ts';
import { blobsOf, describeImage, type ImageName, type NewImage, type StoredImage } from './image.ts';
import { beginIngest, type Ingest, type WantedBlob } from './ingest.ts';
import { findLayerIndex, putLayerIndex } from './layer-index.ts';
import type { Layout } from './layout.ts';
import { createLease, type Lease } from './lease.ts';
import { type LinkKind, type LinkOptions, linkArtifact } from './link-artifact.ts';
import { measureArtifact } from './measure-artifact.ts';
import { openCatalogue, type StoreOptions } from './open.ts';
import { StoreReader } from './reader.ts';
import { type Removal, removeImages } from './removal.ts';
import { measureUsage, type UsageReport } from './usage.ts';
import { findVerity, putVerity, type StoredVerity } from './verity.ts';

/** Opens the cache; it is created if it is not there. */
export async function openStore(options: StoreOptions = {}): Promise<Store> {
  return new Store(await openCatalogue(options));
}

/**
 * A cache on disk, open. Any number of processes may have it open; what one commits, all see. What is not `async` is done,
 * durably, when it returns. Its leases, ingests and drafts are to be disposed before it.
 */
export class Store extends StoreReader {
  readonly #catalogue: Catalogue;

  /** `openStore` makes them. */
  constructor(catalogue: Catalogue) {
    super(catalogue);
    this.#catalogue = catalogue;
  }

  /** Reads a blob once more, and removes it if it is damaged. True if it was. */
  async dropDamagedBlob(digest: Digest): Promise<boolean> {
    return await dropDamagedBlob(this.#catalogue.layout, digest);
  }

  /** Stores a small blob that is all in memory. ContentError `corrupt` if it is not what the descriptor says. */
  async putDocument(descriptor: WantedBlob, bytes: Uint8Array): Promise<BlobLocation> {
    return await putDocument(this.#catalogue.layout, descriptor, bytes, this.#catalogue.reach);
  }

  /** Begins to bring a blob in, or says where it is; waits while somebody else brings it. */
  async beginIngest(
    blob: WantedBlob,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Ingest | BlobLocation> {
    const { layout, reach } = this.#catalogue;
    return await beginIngest(layout, blob, { signal: options.signal, reach });
  }

  /** Keeps blobs, layer indexes (by diffID) and artifacts (by manifest or diffID) from gc; `purpose` completes "needed by a …". */
  lease(purpose: string, digests: Iterable<Digest> = []): Lease {
    return createLease(this.#catalogue, purpose, digests);
  }

  /** Records an image, whose blobs must all be there: StoreError `not-found` otherwise. Replaces one of the same name and platform. */
  putImage(image: NewImage): void {
    const reference = formatReference(parseReference(image.reference));
    const platform = formatPlatform(parsePlatform(image.platform));
    const { layout } = this.#catalogue;
    this.#catalogue.change(images => {
      requireBlobs(layout, image);
      // Whoever brought a blob may have renamed it a moment ago: the row must not outlive that name.
      for (const path of new Set(blobsOf(image).map(({ digest }) => dirname(layout.blob(digest))))) {
        syncDirectoryNow(path);
      }
      images.put({ ...image, reference, platform });
    });
  }

  /** Removes images, and at once what only they needed. */
  removeImages(images: readonly ImageName[]): Removal {
    return removeImages(this.#catalogue, images);
  }

  /** The same images under another name; what had that name loses it. */
  tagImages(images: readonly StoredImage[], name: string): readonly StoredImage[] {
    const parsed = parseReference(name);
    if (parsed.digest !== undefined) {
      throw new StoreError('invalid', `${JSON.stringify(name)} has a digest, which a new name cannot have`, {
        hint: 'name a repository and a tag',
      });
    }
    const reference = formatReference(parsed);
    return this.#catalogue.change(table => {
      // Somebody may have removed them since they were looked up.
      for (const image of images) requireBlobs(this.#catalogue.layout, image);
      const made = images.map(image => ({ ...image, reference }));
      for (const old of table.find(reference)) table.remove(old);
      for (const image of made) table.put(image);
      return made;
    });
  }

  /**
   * Begins to make one; the extension ends its file's name. Several may make the same one: the first to commit wins. A lease keeps
   * meanwhile what there is of its image or its layer.
   */
  createArtifact(key: ArtifactKey, extension: string): ArtifactDraft {
    return createArtifact(this.#catalogue, key, extension);
  }

  /**
   * The same, alone: the artifact if it is there, or by the time that whoever makes it is done. Who begins several before the
   * first is committed takes them in one order, say of their diffIDs: two could wait for each other otherwise.
   */
  async beginArtifact(
    key: ArtifactKey,
    extension: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ArtifactDraft | StoredArtifact> {
    return await beginArtifact(this.#catalogue, key, extension, options);
  }

  /** Puts it in a place outside of the cache: as a hard link where that can be. Says how. */
  async linkArtifact(artifact: StoredArtifact, path: string, options: LinkOptions = {}): Promise<LinkKind> {
    return await linkArtifact(artifact, path, options);
  }

  /** The artifact with its root hash and its fs-verity digest, which one of an earlier version gets now. */
  async measureArtifact(
    artifact: StoredArtifact,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StoredArtifact> {
    return await measureArtifact(this.#catalogue, artifact, options);
  }

  /** The hash tree of an artifact, if it has one. */
  findVerity(artifact: StoredArtifact): StoredVerity | undefined {
    return findVerity(this.#catalogue, artifact);
  }

  /** Has `make` write a hash tree to a path, and keeps it beside its artifact. StoreError `not-found` if that has gone meanwhile. */
  async putVerity(
    artifact: StoredArtifact,
    make: (path: string) => Promise<VerityTree>,
  ): Promise<StoredVerity> {
    return await putVerity(this.#catalogue, artifact, make);
  }

  /** What `putLayerIndex` stored, proven to be it; `undefined` if there is none or it is damaged. */
  findLayerIndex(diffId: Digest): Uint8Array | undefined {
    return findLayerIndex(this.#catalogue.layout, diffId);
  }

  async putLayerIndex(diffId: Digest, bytes: Uint8Array): Promise<void> {
    await putLayerIndex(this.#catalogue.layout, diffId, bytes);
  }

  collectGarbage(options: GcOptions = {}): GcReport {
    return collect(this.#catalogue, options);
  }

  async check(options: FsckOptions = {}): Promise<FsckReport> {
    return await checkStore(this.#catalogue, options);
  }

  measureUsage(): UsageReport {
    return measureUsage(this.#catalogue);
  }
}

/** Inside a transaction: no row may name what is not there. */
function requireBlobs(layout: Layout, image: NewImage): void {
  const missing = blobsOf(image).find(({ digest, size }) => findBlob(layout, digest, size) === undefined);
  if (missing === undefined) return;
  const { reference, platform } = image;
  throw new StoreError('not-found', `the cache lacks ${missing.digest} of ${describeImage(image)}`, {
    detail: { digest: missing.digest, reference, platform },
    hint: 'pull the image again',
  });
}
