import { createHash } from 'node:crypto';
import { detectCompression, detectionLength } from '../bytes/codec/index.ts';
import {
  type BlobLocation,
  type Bytes,
  type ContentOptions,
  type Fetcher,
  readLocation,
} from '../content/index.ts';
import { type Descriptor, type Digest, mediaTypes, parseDigest, type SourceReading } from '../oci/index.ts';
import { type ChosenImage, chooseSaved } from './docker.ts';
import { ArchiveError } from './error.ts';
import type { FetchedSource } from './fetcher.ts';
import type { ImageLayer, OpenOptions } from './image.ts';
import { readEntries } from './layout.ts';
import { LayoutFetcher } from './layout-fetcher.ts';
import type { Medium } from './medium.ts';
import { blobName, listImages, readManifest } from './walk.ts';

/**
 * What `docker save` writes, as a source of copies. Since Docker 25 that is an OCI layout as well: its manifest is
 * taken, so that the image keeps its digest. Older ones get a manifest here, with the layers as they lie there.
 */
export async function openSavedFetcher(
  medium: Medium,
  reading: SourceReading,
  place: string,
  options: OpenOptions,
): Promise<FetchedSource> {
  const chosen = await chooseSaved(medium, reading, place, options);
  const own = await findOwnManifest(medium, chosen, place, options.signal);
  return own ?? (await makeManifest(chosen, place, options));
}

/** The manifest of the layout that is of this very image, if all of its blobs are there. */
async function findOwnManifest(
  medium: Medium,
  { configDigest }: ChosenImage,
  place: string,
  signal: AbortSignal | undefined,
): Promise<FetchedSource | undefined> {
  if (!(await medium.find('oci-layout')) || !(await medium.find('index.json'))) return undefined;
  const entries = await readEntries(medium, signal);
  const isThere = async ({ digest }: { digest: Digest }) =>
    (await medium.find(blobName(digest))) !== undefined;
  for (const { descriptor } of await listImages(medium, entries, signal)) {
    // Docker lists the manifests of other platforms too, which are not in the archive.
    if (!(await isThere(descriptor))) continue;
    const manifest = await readManifest(medium, descriptor, signal);
    if (manifest.kind !== 'manifest' || manifest.config.digest !== configDigest) continue;
    const there = await Promise.all([manifest.config, ...manifest.layers].map(isThere));
    if (!there.every(Boolean)) continue;
    return { fetcher: new LayoutFetcher(medium, entries, place), roots: [descriptor] };
  }
  return undefined;
}

async function makeManifest(
  { configBytes, configDigest, layers }: ChosenImage,
  place: string,
  options: OpenOptions,
): Promise<FetchedSource> {
  const blobs = new Map<Digest, BlobLocation>();
  const described = [];
  for (const layer of layers) {
    const location = await layer.locate();
    const { mediaType, digest } = await describeLayer(layer, location, place, options);
    blobs.set(digest, location);
    described.push({ mediaType, digest, size: layer.size });
  }
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { mediaType: mediaTypes.config, digest: configDigest, size: configBytes.length },
      layers: described,
    }),
  );
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  const root: Descriptor = {
    mediaType: mediaTypes.manifest,
    digest,
    size: bytes.length,
    annotations: {},
    urls: [],
    platform: undefined,
    artifactType: undefined,
    data: undefined,
  };
  const fetcher = new SavedFetcher(
    place,
    new Map([
      [digest, bytes],
      [configDigest, configBytes],
    ]),
    blobs,
  );
  return { fetcher, roots: [root] };
}

async function describeLayer(
  { digest, diffId }: ImageLayer,
  location: BlobLocation,
  place: string,
  options: OpenOptions,
): Promise<{ mediaType: string; digest: Digest }> {
  const head: Uint8Array[] = [];
  const length = Math.min(location.size, detectionLength);
  for await (const chunk of readLocation({ ...location, size: length }, options)) head.push(chunk);
  const compression = detectCompression(Buffer.concat(head)) ?? 'none';
  // What is not compressed has the digest that the config names; the copy proves it.
  if (compression === 'none') return { mediaType: mediaTypes.layer, digest: digest ?? diffId };
  if (compression !== 'gzip' && compression !== 'zstd') {
    throw new ArchiveError(
      'unsupported',
      `${place}: a layer is compressed with ${compression}, for which OCI has no media type`,
      { detail: { diffId, compression }, hint: 'load the image into Docker and save it again' },
    );
  }
  return {
    mediaType: `${mediaTypes.layer}+${compression}`,
    digest: digest ?? (await hashLocation(location, options)),
  };
}

async function hashLocation(location: BlobLocation, options: ContentOptions): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of readLocation(location, options)) hash.update(chunk);
  return parseDigest(`sha256:${hash.digest('hex')}`);
}

/** The blobs of an archive whose members are not named by their digests. */
class SavedFetcher implements Fetcher {
  readonly place: string;
  readonly #documents: ReadonlyMap<Digest, Uint8Array>;
  readonly #blobs: ReadonlyMap<Digest, BlobLocation>;

  constructor(
    place: string,
    documents: ReadonlyMap<Digest, Uint8Array>,
    blobs: ReadonlyMap<Digest, BlobLocation>,
  ) {
    this.place = place;
    this.#documents = documents;
    this.#blobs = blobs;
  }

  async readManifest({ digest }: Descriptor): Promise<Uint8Array> {
    return this.#documents.get(digest) ?? this.#missing(digest);
  }

  async *openBlob({ digest }: Descriptor, offset: number, options: ContentOptions): Bytes {
    const document = this.#documents.get(digest);
    if (document !== undefined) {
      yield document.subarray(offset);
      return;
    }
    const blob = this.#blobs.get(digest) ?? this.#missing(digest);
    yield* readLocation({ ...blob, offset: blob.offset + offset, size: blob.size - offset }, options);
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    return this.#documents.has(digest) || this.#blobs.has(digest);
  }

  #missing(digest: Digest): never {
    throw new ArchiveError('not-found', `${this.place} has no ${digest}`, { detail: { digest } });
  }
}
