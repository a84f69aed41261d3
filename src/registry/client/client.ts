import type { Bytes } from '../../content/index.ts';
import type { Descriptor, Digest, Reference } from '../../oci/index.ts';
import { type BlobRange, hasBlob, openBlob } from './blob.ts';
import { check } from './check.ts';
import { deleteBlob, deleteManifest } from './delete.ts';
import { type FetchedManifest, fetchManifest, resolve } from './manifest.ts';
import type { BlobResponse, CallOptions, RegistryOptions, RepositoryName } from './options.ts';
import { type PushManifestOptions, pushManifest } from './push-manifest.ts';
import { type ReferrersOptions, referrers } from './referrers.ts';
import { Session } from './session.ts';
import { tags } from './tags.ts';
import { type PushBlobOptions, pushBlob } from './upload.ts';

/**
 * A client for any number of registries (OCI distribution-spec 1.1). Every method fails with a RegistryError, or with an
 * OciError for a document that cannot be read: `unauthenticated`, `denied`, `not-found`, `corrupt` and so on are final,
 * `unavailable` comes after all retries. Requests are repeated until their response begins; bodies are not.
 */
export class RegistryClient implements AsyncDisposable {
  readonly #session: Session;

  constructor(options: RegistryOptions = {}) {
    this.#session = new Session(options);
  }

  /** Media type, digest and size of what a name stands for. */
  resolve(reference: Reference, options?: CallOptions): Promise<Descriptor> {
    return resolve(this.#session, reference, options);
  }

  /** A manifest or index, verified, of at most 4 MiB. */
  fetchManifest(
    reference: Reference,
    options?: CallOptions & { readonly expected?: Descriptor | undefined },
  ): Promise<FetchedManifest> {
    return fetchManifest(this.#session, reference, options);
  }

  /** A blob from `start` to before `end`, not verified. */
  openBlob(
    name: RepositoryName,
    descriptor: Descriptor,
    options?: CallOptions & BlobRange,
  ): Promise<BlobResponse> {
    return openBlob(this.#session, name, descriptor, options);
  }

  hasBlob(name: RepositoryName, descriptor: Descriptor, options?: CallOptions): Promise<boolean> {
    return hasBlob(this.#session, name, descriptor, options);
  }

  /** `open` gives the content from an offset on; it may be called again after a failure. */
  pushBlob(
    name: RepositoryName,
    descriptor: Descriptor,
    open: (offset: number) => Bytes,
    options?: PushBlobOptions,
  ): Promise<'pushed' | 'mounted' | 'exists'> {
    return pushBlob(this.#session, name, descriptor, open, options);
  }

  pushManifest(
    name: RepositoryName,
    bytes: Uint8Array,
    mediaType: string,
    options?: PushManifestOptions,
  ): Promise<Descriptor> {
    return pushManifest(this.#session, name, bytes, mediaType, options);
  }

  tags(name: RepositoryName, options?: CallOptions): AsyncIterable<string> {
    return tags(this.#session, name, options);
  }

  referrers(
    name: RepositoryName,
    digest: Digest,
    options?: ReferrersOptions,
  ): Promise<readonly Descriptor[]> {
    return referrers(this.#session, name, digest, options);
  }

  deleteManifest(reference: Reference, options?: CallOptions): Promise<void> {
    return deleteManifest(this.#session, reference, options);
  }

  deleteBlob(name: RepositoryName, digest: Digest, options?: CallOptions): Promise<void> {
    return deleteBlob(this.#session, name, digest, options);
  }

  /** Whether the registry accepts the credential that there is for it. */
  check(registry: string, options?: CallOptions): Promise<void> {
    return check(this.#session, registry, options);
  }

  /** Closes all connections; bodies that are still being read fail. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

export function createRegistryClient(options: RegistryOptions = {}): RegistryClient {
  return new RegistryClient(options);
}
