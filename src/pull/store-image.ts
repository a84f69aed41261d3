import {
  type Descriptor,
  type Digest,
  formatPlatform,
  formatReference,
  type ImageConfig,
  type Manifest,
  type Platform,
  parseLayerType,
  type Reference,
} from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { type Lease, putTwin, type Store } from '../store/index.ts';
import { Downloads } from './downloads.ts';
import { PullError } from './error.ts';
import type { PulledImage, PulledLayer, PullOptions } from './image.ts';

/** What was found out about an image before it was opened. */
export interface Resolved {
  readonly root: Descriptor;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly platform: Platform;
  readonly lease: Lease;
}

/** An image whose blobs are in the store, or come into it. */
export class StoreImage implements PulledImage {
  readonly reference: string;
  readonly platform: Platform;
  readonly target: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly configDigest: Digest;
  readonly layers: readonly PulledLayer[];
  readonly upToDate: boolean;
  readonly #resolved: Resolved;
  readonly #store: Store;
  readonly #downloads: Downloads;
  readonly #connect: (() => Promise<RegistryClient>) | undefined;
  readonly #verified = new Set<Digest>();
  #kept = false;

  constructor(reference: Reference, resolved: Resolved, options: PullOptions) {
    const { root, descriptor, manifest, config, platform } = resolved;
    const { store, policy, connect, signal, connections, retries, onReceived, onRetry } = options;
    this.reference = formatReference(reference);
    this.platform = platform;
    this.target = root.digest;
    this.manifestDigest = descriptor.digest;
    this.manifest = manifest;
    this.config = config;
    this.configDigest = manifest.config.digest;
    this.#resolved = resolved;
    this.#store = store;
    this.#connect = policy === 'never' ? undefined : connect;
    const onProgress = (digest: Digest, received: number) => {
      for (const [layer, { digest: own }] of this.layers.entries())
        if (own === digest) onReceived?.(layer, received);
    };
    this.#downloads = new Downloads({
      ...{ connect, store, connections, retries, signal, onProgress, onRetry },
    });
    this.layers = manifest.layers.map((layer, position) =>
      this.#openLayer(reference, layer, config.diffIds[position]!),
    );
    this.upToDate = this.layers.every(({ cached }) => cached) && this.#isNamed();
  }

  get signal(): AbortSignal {
    return this.#downloads.signal;
  }

  get fetched(): number {
    return this.#downloads.fetched;
  }

  async fetchAll(): Promise<void> {
    const missing = this.layers.filter(({ digest }) => !this.#verified.has(digest)).reverse();
    await Promise.all(missing.map(layer => layer.locate()));
    for (const layer of missing) {
      await this.#downloads.verify(layer.digest);
      this.#verified.add(layer.digest);
    }
  }

  async keep(): Promise<void> {
    if (this.#kept) return;
    await this.#downloads.finish();
    if (!this.#isNamed()) {
      const twin = await putTwin(this.#store, this.manifest, this.#resolved.lease);
      this.#store.putImage({ ...this.#describe(), ...twin });
    }
    this.#kept = true;
    this.#resolved.lease.release();
  }

  async discard(blob?: unknown): Promise<boolean> {
    const doubtful = this.layers.filter(({ digest }) => !this.#verified.has(digest));
    const isKnown = doubtful.some(({ digest }) => digest === blob);
    let mayHelp = false;
    for (const { digest, cached } of doubtful) {
      const isMeant = !isKnown || digest === blob;
      if (isMeant && this.#downloads.discard(digest)) mayHelp = true;
      // What was left of an earlier process nobody had verified; what was in its place the disk has spoilt.
      if (isMeant && this.#downloads.isResumed(digest)) mayHelp = true;
      else if (cached && this.#connect !== undefined && (await this.#store.dropDamagedBlob(digest)))
        mayHelp = true;
    }
    return mayHelp;
  }

  /** An image whose layers were all read is kept, whatever they were read for. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.layers.every(({ digest }) => this.#verified.has(digest)) && !this.signal.aborted)
        await this.keep();
    } finally {
      await this.#downloads[Symbol.asyncDispose]();
      // What was begun can be resumed; gc leaves it alone for a while, because of the lease.
      if (this.#downloads.begun) this.#resolved.lease[Symbol.dispose]();
      else this.#resolved.lease.release();
    }
  }

  #openLayer(reference: Reference, descriptor: Descriptor, diffId: Digest): PulledLayer {
    const { digest, size, mediaType, annotations } = descriptor;
    // Nobody has a say in where else Shale goes but for layers that registries may leave out.
    const layer = parseLayerType(mediaType).nondistributable ? descriptor : { ...descriptor, urls: [] };
    const cached = this.#store.findBlob(digest, size) !== undefined;
    return {
      ...{ digest, size, diffId, mediaType, annotations, cached },
      locate: async () => {
        const there = this.#store.findBlob(digest, size);
        if (there !== undefined) return there;
        if (this.#connect === undefined) {
          throw new PullError(
            'not-found',
            `${this.reference}: layer ${digest} is not in the cache any more`,
            {
              hint: 'leave out --policy never, and it is fetched',
            },
          );
        }
        return await this.#downloads.fetch(reference, layer);
      },
      verified: () => {
        this.#verified.add(digest);
        this.#downloads.settle(digest);
      },
    };
  }

  #isNamed(): boolean {
    return this.#store
      .findImages(this.reference)
      .some(
        ({ reference, platform, manifest, target }) =>
          reference === this.reference &&
          platform === formatPlatform(this.platform) &&
          manifest === this.manifestDigest &&
          target === this.target,
      );
  }

  #describe() {
    const { descriptor, manifest } = this.#resolved;
    return {
      reference: this.reference,
      platform: formatPlatform(this.platform),
      target: this.target,
      manifest: descriptor.digest,
      manifestSize: descriptor.size,
      manifestType: descriptor.mediaType,
      config: manifest.config.digest,
      configSize: manifest.config.size,
      configType: manifest.config.mediaType,
      layers: this.layers.map(({ digest, size, mediaType, diffId }) => ({ digest, size, mediaType, diffId })),
    };
  }
}
