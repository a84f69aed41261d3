import {
  type Image,
  type ImageLayer,
  requirePlatform,
  requireSameCount,
  unknownPlatform,
} from '../archive/index.ts';
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  formatPlatform,
  formatReference,
  type ImageConfig,
  type Manifest,
  type Platform,
  parseLayerType,
  parsePlatform,
  platformDistance,
  type Reference,
} from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { type Lease, putTwin, type Store, type StoredImage } from '../store/index.ts';
import { Documents } from './documents.ts';
import { type BrokenOff, Downloads } from './downloads.ts';
import { PullError } from './error.ts';

/**
 * When the registry is asked, as Kubernetes' imagePullPolicy has it. `always`: for the digest, each time, and what of
 * that is missing is fetched. `if-not-present`: when the cache has no image of the name. `never`: not at all.
 */
export const pullPolicies = ['always', 'if-not-present', 'never'] as const;
export type PullPolicy = (typeof pullPolicies)[number];

export interface PullOptions {
  readonly store: Store;
  /** Called when the registry is needed, once. */
  readonly connect: () => Promise<RegistryClient>;
  readonly policy: PullPolicy;
  /** What the user asked for. */
  readonly platform?: Platform | undefined;
  /** What to choose for when the user said nothing. */
  readonly host: Platform;
  /** Requests at the same time. */
  readonly connections?: number | undefined;
  readonly retries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of a layer's blob that are there, in the cache or on their way into it. */
  readonly onReceived?: ((layer: number, received: number) => void) | undefined;
  readonly onRetry?: ((event: BrokenOff) => void) | undefined;
}

/** A layer that is in the cache, or comes into it when it is read. */
export interface PulledLayer extends ImageLayer {
  readonly digest: Digest;
  /** Whether the whole blob was in the cache when the image was opened. */
  readonly cached: boolean;
}

/** An image by its reference. Its documents are in the store and verified; dispose it in any case. */
export interface PulledImage extends Image {
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
  readonly layers: readonly PulledLayer[];
  /** What the reference stands for: an index, or the manifest itself. */
  readonly target: Digest;
  /** Whether the cache knows it under this name already, whole. */
  readonly upToDate: boolean;
  /** Aborted with the error when a blob cannot be had: whoever reads layers must listen to it. */
  readonly signal: AbortSignal;
  /** Bytes that were fetched from the registry so far, documents not counted. */
  readonly fetched: number;
  /** Fetches and verifies the layers that nobody has read. */
  fetchAll(): Promise<void>;
  /** All layers were verified: makes them durable and names the image in the cache. */
  keep(): Promise<void>;
  /**
   * A layer's content was wrong, that of `blob` if it is known: drops what is damaged of those that are not verified. What
   * is on its way of others stays. True if trying again may help.
   */
  discard(blob?: unknown): Promise<boolean>;
}

/**
 * Opens the image that a reference names, as the policy says. Nothing but documents is fetched before a layer is
 * located. PullError `not-found` where the policy forbids to ask and the cache has nothing; the client's errors.
 */
export async function openPulled(reference: Reference, options: PullOptions): Promise<PulledImage> {
  const { store, policy, platform, host, signal } = options;
  const name = formatReference(reference);
  const known = findKnown(store.findImages(name), reference, platform, host);
  const client = policy === 'never' ? undefined : options.connect;
  using stack = new DisposableStack();
  const lease = store.lease(`pull of ${name}`, []);
  // What was not even opened has nothing that could be resumed.
  stack.defer(() => lease.release());
  const documents = new Documents(reference, { store, client, signal, lease });
  const root = await findRoot(reference, known, lease, options);
  lease.add([root.digest]);
  const isKnown = known?.target === root.digest;
  const chosen = await documents.choose(isKnown ? manifestOf(known) : root, platform, host);
  lease.add([chosen.descriptor.digest, chosen.manifest.config.digest]);
  const config = await documents.readConfig(chosen.manifest.config);
  const actual = isKnown ? parsePlatform(known.platform) : (chosen.platform ?? config.platform);
  requirePlatform(actual, platform, name);
  requireSameCount(chosen.manifest.layers.length, config.diffIds.length, name);
  requireOneSize(chosen.manifest, name);
  for (const { mediaType } of chosen.manifest.layers) parseLayerType(mediaType);
  lease.add(chosen.manifest.layers.map(({ digest }) => digest));
  stack.move();
  return new StoreImage(
    reference,
    { ...chosen, root, config, platform: actual ?? unknownPlatform, lease },
    options,
  );
}

/** What the reference stands for now. */
async function findRoot(
  reference: Reference,
  known: StoredImage | undefined,
  lease: Lease,
  { store, policy, connect, signal }: PullOptions,
): Promise<Descriptor> {
  const name = formatReference(reference);
  if (known !== undefined && policy !== 'always') {
    // A manifest may be here by the name of its index; by its own digest it is itself.
    return { ...manifestOf(known), digest: reference.digest ?? known.target };
  }
  if (policy === 'never') {
    throw new PullError('not-found', `${name} is not in the cache, and its registry is not to be asked`, {
      detail: { reference: name },
      hint: `shale pull ${name}`,
    });
  }
  const client = await connect();
  // Asking for the digest alone is cheap, and does not count for limits on pulls.
  if (known !== undefined) {
    const root = await client.resolve(reference, { signal });
    if (root.digest === known.target || store.findBlob(root.digest) !== undefined) return root;
  }
  const { descriptor, bytes } = await client.fetchManifest(reference, { signal });
  lease.add([descriptor.digest]);
  await store.putDocument(descriptor, bytes);
  return descriptor;
}

/**
 * The image of the cache that is meant, if it has one. An image that is one of an index is not meant on another machine,
 * only because nobody has pulled the right one yet; an image that has no index is for whoever asks.
 */
function findKnown(
  images: readonly StoredImage[],
  reference: Reference,
  wanted: Platform | undefined,
  host: Platform,
): StoredImage | undefined {
  const candidates = images.map(image => ({ image, platform: parsePlatform(image.platform) }));
  const suits = ({ platform }: { platform: Platform }, machine: Platform) =>
    platformDistance(platform, machine) !== undefined;
  const fitting = candidates.filter(candidate => suits(candidate, wanted ?? host));
  if (fitting.length > 0) return choosePlatform(fitting, wanted ?? host, formatReference(reference)).image;
  if (wanted !== undefined) return undefined;
  const alone = ({ target, manifest }: StoredImage) => [target, reference.digest].includes(manifest);
  return images.findLast(alone);
}

/** What is fetched as one blob is one blob: PullError `invalid` where the manifest gives it two sizes. */
function requireOneSize({ config, layers }: Manifest, where: string): void {
  const sizes = new Map<Digest, number>();
  for (const { digest, size } of [config, ...layers]) {
    const before = sizes.get(digest) ?? size;
    if (before !== size) {
      throw new PullError(
        'invalid',
        `${where}: ${digest} has two sizes in the manifest, ${before} and ${size}`,
        {
          detail: { digest },
        },
      );
    }
    sizes.set(digest, size);
  }
}

function manifestOf({ manifest, manifestSize, manifestType }: StoredImage): Descriptor {
  return {
    mediaType: manifestType,
    digest: manifest,
    size: manifestSize,
    annotations: {},
    platform: undefined,
    artifactType: undefined,
    urls: [],
    data: undefined,
  };
}

interface Resolved {
  readonly root: Descriptor;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly platform: Platform;
  readonly lease: Lease;
}

class StoreImage implements PulledImage {
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
