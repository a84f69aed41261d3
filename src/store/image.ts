import { type Digest, mediaTypes } from '../oci/index.ts';
import { StoreError } from './error.ts';

/** A blob that an image is made of; size in bytes. */
export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

export interface StoredLayer extends StoredBlob {
  /** Of the uncompressed layer: what its layer index goes by. */
  readonly diffId: Digest;
}

/** What `Store.putImage` takes. Sizes are bytes. */
export interface NewImage {
  /** In full: what `formatReference` gives. */
  readonly reference: string;
  /** What `formatPlatform` gives. */
  readonly platform: string;
  /** What the name stood for when it was pulled: an index, or the manifest itself. */
  readonly target: Digest;
  readonly manifest: Digest;
  readonly manifestSize: number;
  readonly manifestType: string;
  readonly config: Digest;
  readonly configSize: number;
  readonly configType: string;
  /** Oldest first. */
  readonly layers: readonly StoredLayer[];
  /** The manifest in OCI's form, which index.json lists in its stead: of images whose own is Docker's. */
  readonly twin?: { readonly digest: Digest; readonly size: number } | undefined;
  /** Now, if not given. */
  readonly pulled?: Date | undefined;
  readonly used?: Date | undefined;
}

/** One image for one platform under one name: all of its blobs are in the cache. */
export interface StoredImage extends NewImage {
  /** What its blobs take on the disk, each once. */
  readonly size: number;
  readonly pulled: Date;
  readonly used: Date;
}

/** Which image of the cache: at most one has these two. */
export type ImageName = Pick<StoredImage, 'reference' | 'platform'>;

/** The blobs that an image cannot do without, each once; a foreign layer that was fetched is one like any other. */
export function blobsOf(image: NewImage): StoredBlob[] {
  const blobs = [
    { digest: image.manifest, size: image.manifestSize, mediaType: image.manifestType },
    { digest: image.config, size: image.configSize, mediaType: image.configType },
    ...(image.twin === undefined ? [] : [{ ...image.twin, mediaType: mediaTypes.manifest }]),
    ...image.layers.map(({ digest, size, mediaType }) => ({ digest, size, mediaType })),
  ];
  return [...new Map(blobs.map(blob => [blob.digest, blob])).values()];
}

/** `docker.io/library/nginx:latest (linux/amd64)`, for messages. */
export function describeImage({ reference, platform }: ImageName): string {
  return `${reference} (${platform})`;
}

/** The error for a name that the cache does not have. */
export function imageNotFound(name: string, images: readonly StoredImage[]): StoreError {
  const names = [...new Set(images.map(({ reference }) => reference))];
  return new StoreError('not-found', `the cache has no image ${JSON.stringify(name)}`, {
    detail: { name, images: names.slice(0, 50) },
    hint: names.length === 0 ? 'it is empty: shale pull fetches one' : 'shale images lists what it has',
  });
}
