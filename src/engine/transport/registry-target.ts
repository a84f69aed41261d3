import type { ImageTarget } from '../../archive/index.ts';
import type {
  Bytes,
  ContentOptions,
  Graph,
  GraphManifest,
  PushOptions,
  Transferred,
} from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import { type Descriptor, type Digest, formatReference, type Reference } from '../../oci/index.ts';
import type { RegistryClient, RepositoryName } from '../../registry/index.ts';

/** Says which other repository of the target's registry may have a blob already. */
export type FindSister = (target: RepositoryName, digest: Digest) => string | undefined;

/** A repository as a target: the root gets the reference's tag, all else can be had by its digest. */
export class RegistryTarget implements ImageTarget {
  readonly place: string;
  readonly #client: RegistryClient;
  readonly #reference: Reference;
  readonly #findSister: FindSister;
  #root: Digest | undefined;

  constructor(client: RegistryClient, reference: Reference, findSister: FindSister) {
    this.place = formatReference(reference);
    this.#client = client;
    this.#reference = reference;
    this.#findSister = findSister;
  }

  /** ShaleError `invalid` if the reference has a digest that the image has not. */
  async begin({ root }: Graph): Promise<void> {
    requireDigest(this.#reference, root.descriptor);
    this.#root = root.descriptor.digest;
  }

  async pushBlob(
    blob: Descriptor,
    open: (offset: number) => Bytes,
    { signal, onProgress }: PushOptions,
  ): Promise<Transferred> {
    const from = this.#findSister(this.#reference, blob.digest);
    return await this.#client.pushBlob(this.#reference, blob, open, { signal, onProgress, from });
  }

  async pushManifest({ descriptor, bytes }: GraphManifest, { signal }: ContentOptions): Promise<Transferred> {
    const tag = descriptor.digest === this.#root ? this.#reference.tag : undefined;
    await this.#client.pushManifest(this.#reference, bytes, descriptor.mediaType, { signal, tag });
    return 'pushed';
  }

  /** The tag came with the root. */
  async commit(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A target's name may say which digest it has to have. */
export function requireDigest(reference: Reference, { digest }: Descriptor): void {
  if (reference.digest === undefined || reference.digest === digest) return;
  throw new ShaleError('invalid', `what is copied has the digest ${digest}, not ${reference.digest}`, {
    detail: { expected: reference.digest, actual: digest },
    hint: 'leave the digest of the target out, or name the source by the same digest',
  });
}
