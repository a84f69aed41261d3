import {
  type Bytes,
  type ContentOptions,
  type Fetcher,
  readLocation,
  readSmall,
} from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';

/** The cache as a source. */
export class CacheFetcher implements Fetcher {
  readonly place: string;
  readonly #store: Store;

  constructor(store: Store, name: string) {
    this.place = `cache:${name}`;
    this.#store = store;
  }

  async readManifest(descriptor: Descriptor, options: ContentOptions): Promise<Uint8Array> {
    return await readSmall(this.#find(descriptor), options);
  }

  async *openBlob(descriptor: Descriptor, offset: number, options: ContentOptions): Bytes {
    const blob = this.#find(descriptor);
    const size = Math.max(0, blob.size - offset);
    yield* readLocation({ ...blob, offset: blob.offset + offset, size }, options);
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return this.#store.findBlob(digest, size) !== undefined;
  }

  #find({ digest, size }: Descriptor) {
    const found = this.#store.findBlob(digest, size);
    if (found !== undefined) return found;
    throw new ShaleError('not-found', `the cache does not have ${digest}`, {
      detail: { digest },
      hint: 'the cache has what was pulled: of an index often one platform only; docker://NAME copies from the registry',
    });
  }
}
