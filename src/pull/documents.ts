import { mayBeImage } from '../archive/index.ts';
import { readVerified } from '../content/index.ts';
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  documentLimit,
  findMediaType,
  formatReference,
  type ImageConfig,
  type Manifest,
  type Platform,
  parseConfig,
  parseManifest,
  type Reference,
  requireImage,
} from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Lease, Store } from '../store/index.ts';
import { PullError } from './error.ts';

/** Indexes within indexes; two levels are usual. */
const depthLimit = 8;

export interface DocumentsOptions {
  readonly store: Store;
  /** Undefined where the policy is not to ask anyone. */
  readonly client: (() => Promise<RegistryClient>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Keeps what is fetched until an image names it. */
  readonly lease: Lease;
}

/** One image of what a reference stands for. */
export interface ChosenManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  /** As the index says it. */
  readonly platform: Platform | undefined;
}

/** The manifests, indexes and configs of one reference: out of the store, or out of the registry and into the store. */
export class Documents {
  readonly #reference: Reference;
  readonly #options: DocumentsOptions;

  constructor(reference: Reference, options: DocumentsOptions) {
    this.#reference = reference;
    this.#options = options;
  }

  /** The image for a platform: `wanted` if the user said one, else the only one there is, else the one for `host`. */
  async choose(root: Descriptor, wanted: Platform | undefined, host: Platform): Promise<ChosenManifest> {
    const where = formatReference(this.#reference);
    const images = await this.#listImages([root], undefined, 0, new Set());
    const [first] = images;
    if (first === undefined) {
      throw new PullError('not-found', `${where} holds no image, only attestations or other artifacts`);
    }
    const chosen = images.length === 1 ? first : choosePlatform(images, wanted ?? host, where);
    const { descriptor, platform } = chosen;
    const manifest = await this.#readManifest(descriptor);
    if (manifest.kind !== 'manifest') throw new PullError('invalid', `${descriptor.digest} is an index`);
    requireImage(manifest, `${where}: manifest ${descriptor.digest}`);
    return { descriptor, manifest, platform };
  }

  async readConfig(descriptor: Descriptor): Promise<ImageConfig> {
    const { digest } = descriptor;
    const bytes = await this.#read(descriptor, async client => {
      if (descriptor.size > documentLimit) {
        const message = `config ${digest} has ${descriptor.size} bytes, more than ${documentLimit}`;
        throw new PullError('exhausted', message, {
          detail: { size: descriptor.size, limit: documentLimit },
        });
      }
      const { signal } = this.#options;
      const chunks: Uint8Array[] = [];
      let size = 0;
      const { body } = await client.openBlob(this.#reference, descriptor, { signal });
      for await (const chunk of body) {
        size += chunk.length;
        if (size > descriptor.size) break;
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    });
    return parseConfig(bytes, `config ${digest}`);
  }

  /** Every index is read once, whatever the number of paths to it. */
  async #listImages(
    entries: readonly Descriptor[],
    inherited: Platform | undefined,
    depth: number,
    seen: Set<Digest>,
  ): Promise<{ descriptor: Descriptor; platform: Platform | undefined }[]> {
    const found = [];
    for (const descriptor of entries) {
      if ((depth > 0 && !mayBeImage(descriptor)) || seen.has(descriptor.digest)) continue;
      seen.add(descriptor.digest);
      const platform = descriptor.platform ?? inherited;
      if (findMediaType(descriptor.mediaType)?.kind !== 'index') {
        found.push({ descriptor, platform });
        continue;
      }
      if (depth === depthLimit) {
        const where = formatReference(this.#reference);
        throw new PullError('invalid', `${where} has indexes more than ${depthLimit} levels deep`);
      }
      const index = await this.#readManifest(descriptor);
      if (index.kind !== 'index') throw new PullError('invalid', `${descriptor.digest} is no index`);
      found.push(...(await this.#listImages(index.manifests, platform, depth + 1, seen)));
    }
    return found;
  }

  async #readManifest(descriptor: Descriptor) {
    const { digest, mediaType } = descriptor;
    const bytes = await this.#read(descriptor, async client => {
      const { signal } = this.#options;
      const { registry, repository } = this.#reference;
      const reference = { registry, repository, tag: undefined, digest };
      return (await client.fetchManifest(reference, { signal, expected: descriptor })).bytes;
    });
    return parseManifest(bytes, mediaType, `manifest ${digest}`);
  }

  async #read(
    descriptor: Descriptor,
    fetch: (client: RegistryClient) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { store, client, signal } = this.#options;
    const { digest, size } = descriptor;
    const location = store.findBlob(digest, size);
    if (location !== undefined) return await readVerified(location, { digest, size }, { signal });
    if (client === undefined) {
      throw new PullError('not-found', `${formatReference(this.#reference)}: ${digest} is not in the cache`, {
        hint: 'leave out --policy never, and it is fetched',
      });
    }
    const bytes = await fetch(await client());
    this.#options.lease.add([digest]);
    await store.putDocument(descriptor, bytes);
    return bytes;
  }
}
