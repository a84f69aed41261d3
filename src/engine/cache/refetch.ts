import { readVerified } from '../../content/index.ts';
import { parseManifest, parseReference } from '../../oci/index.ts';
import { Downloads } from '../../pull/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { putTwin, type Store, type StoredBlob, type StoredImage } from '../../store/index.ts';
import { connect } from '../named.ts';
import type { RegistryOptions } from '../options.ts';

/** Brings blobs of images back from where the images came from; connects when the first is wanted. */
export class Refetcher implements AsyncDisposable {
  readonly #store: Store;
  readonly #options: RegistryOptions & { readonly signal?: AbortSignal | undefined };
  #client: Promise<RegistryClient> | undefined;

  constructor(store: Store, options: RegistryOptions & { readonly signal?: AbortSignal | undefined }) {
    this.#store = store;
    this.#options = options;
  }

  /** Verified and in its place when the promise is fulfilled; rejects as the registry does. */
  async refetch(image: StoredImage, blob: StoredBlob): Promise<void> {
    const { signal, retries } = this.#options;
    const name = parseReference(image.reference);
    const descriptor = {
      ...blob,
      ...{ annotations: {}, urls: [], platform: undefined, artifactType: undefined, data: undefined },
    };
    if (blob.digest === image.twin?.digest) {
      const { manifest: digest, manifestSize: size, manifestType } = image;
      const bytes = await readVerified(this.#store.findBlob(digest, size)!, { digest, size });
      const manifest = parseManifest(bytes, manifestType);
      if (manifest.kind === 'manifest') await putTwin(this.#store, manifest);
      return;
    }
    if (blob.digest === image.manifest) {
      // What names a manifest may be another one by now: only the digest counts.
      const client = await this.#connect();
      const { bytes } = await client.fetchManifest(
        { ...name, tag: undefined, digest: blob.digest },
        { signal },
      );
      await this.#store.putDocument(blob, bytes);
      return;
    }
    await using downloads = new Downloads({
      ...{ store: this.#store, connect: () => this.#connect(), signal, retries },
    });
    await downloads.fetch(name, descriptor);
    await downloads.verify(blob.digest);
    await downloads.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#client)?.[Symbol.asyncDispose]();
  }

  #connect(): Promise<RegistryClient> {
    this.#client ??= connect(this.#options);
    return this.#client;
  }
}
