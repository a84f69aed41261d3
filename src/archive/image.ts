import type { BlobLocation } from '../content/index.ts';
import type { Digest, ImageConfig, Manifest, Platform } from '../oci/index.ts';

/** One layer. Its bytes are not verified yet: whoever streams them does that. */
export interface ImageLayer {
  /** Of the blob as it lies there; `undefined` where nothing names it, as in most docker-archives. */
  readonly digest: Digest | undefined;
  /** Of the blob, in bytes. */
  readonly size: number;
  /** Of the uncompressed layer. */
  readonly diffId: Digest;
  /** What the manifest claims; the compression is known from the bytes only. */
  readonly mediaType: string;
  /** Where the blob lies, or where it is arriving: of an image in a registry this starts its download. */
  locate(): Promise<BlobLocation>;
  /** To be told once the blob was read and its digest, size and diffID were right: what arrived is kept from now on. */
  verified?(): void;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One image for one platform: its manifest and config are verified, its layers are known to be there in full size. */
export interface Image extends AsyncDisposable {
  /** What the user asked for. */
  readonly reference: string;
  /** `unknown/unknown` if the image does not say. */
  readonly platform: Platform;
  /** These two are `undefined` for a docker-archive, which has no manifest. */
  readonly manifestDigest: Digest | undefined;
  readonly manifest: Manifest | undefined;
  readonly config: ImageConfig;
  /** Of the config's bytes: what Docker calls the image's ID. */
  readonly configDigest: Digest;
  /** Oldest first. */
  readonly layers: readonly ImageLayer[];
}

export interface OpenOptions {
  /** What the user asked for; without it an image that is the only one is taken for whatever platform it is. */
  readonly platform?: Platform | undefined;
  /** What to choose for when there is a choice and the user said nothing. */
  readonly host: Platform;
  readonly signal?: AbortSignal | undefined;
}
