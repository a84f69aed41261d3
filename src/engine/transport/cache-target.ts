import { type ImageTarget, mayBeImage, requireSameCount, unknownPlatform } from '../../archive/index.ts';
import {
  type Bytes,
  type ContentOptions,
  type Graph,
  type GraphManifest,
  type PushOptions,
  readSmall,
  type Transferred,
} from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import {
  type Descriptor,
  findMediaType,
  formatPlatform,
  formatReference,
  type Manifest,
  type Platform,
  parseConfig,
  parseLayerType,
  type Reference,
} from '../../oci/index.ts';
import { type Lease, type NewImage, putTwin, type Store } from '../../store/index.ts';
import { requireDigest } from './registry-target.ts';

/** The cache as a target: every image of the graph is known there under the reference, each for its platform. */
export class CacheTarget implements ImageTarget {
  readonly place: string;
  readonly #store: Store;
  readonly #reference: Reference;
  #graph: Graph | undefined;
  #lease: Lease | undefined;

  constructor(store: Store, reference: Reference) {
    this.place = `cache:${formatReference(reference)}`;
    this.#store = store;
    this.#reference = reference;
  }

  /** ShaleError `unsupported` for what is no container image, and for layers that only a manifest names. */
  async begin(graph: Graph, _options: ContentOptions): Promise<void> {
    requireDigest(this.#reference, graph.root.descriptor);
    if (listImages(graph).length === 0) {
      throw new ShaleError('unsupported', 'it is no container image, and the cache holds nothing else');
    }
    const [foreign] = graph.leftOut;
    if (foreign !== undefined) {
      throw new ShaleError('unsupported', `the source does not have ${foreign.digest}, a foreign layer`);
    }
    this.#graph = graph;
    const contents = [...graph.blobs, ...graph.manifests.map(({ descriptor }) => descriptor)];
    // Of images that are replaced under this name, nothing is lost before the new ones are there.
    this.#lease = this.#store.lease(
      `copy to ${formatReference(this.#reference)}`,
      contents.map(({ digest }) => digest),
    );
  }

  async pushBlob(
    blob: Descriptor,
    open: (offset: number) => Bytes,
    { signal, onProgress }: PushOptions,
  ): Promise<Transferred> {
    using ingest = new IngestHolder(await this.#store.beginIngest(blob, { signal }));
    if (ingest.begun === undefined) return 'exists';
    let position = 0;
    try {
      for await (const chunk of open(0)) {
        ingest.begun.writeAt(chunk, position);
        position += chunk.length;
        onProgress?.(position);
      }
    } catch (error) {
      // Whoever goes on with it later would not find out whose bytes were wrong.
      if (error instanceof ShaleError && error.code === 'corrupt') ingest.begun.discard();
      throw error;
    }
    await ingest.begun.commit();
    return 'pushed';
  }

  async pushManifest({ descriptor, bytes }: GraphManifest): Promise<Transferred> {
    if (this.#store.findBlob(descriptor.digest, descriptor.size) !== undefined) return 'exists';
    await this.#store.putDocument(descriptor, bytes);
    return 'pushed';
  }

  async commit(): Promise<void> {
    const images: NewImage[] = [];
    for (const found of listImages(this.#graph!)) {
      const image = await this.#describe(found);
      // Of several for one platform the first is meant, as everywhere.
      if (images.some(({ platform }) => platform === image.platform)) continue;
      images.push({ ...image, ...(await putTwin(this.#store, found.content, this.#lease)) });
    }
    for (const image of images) this.#store.putImage(image);
    this.#lease!.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lease?.[Symbol.dispose]();
  }

  async #describe({ manifest, content, platform }: FoundImage): Promise<NewImage> {
    const { config, layers } = content;
    const location = this.#store.findBlob(config.digest, config.size)!;
    const parsed = parseConfig(await readSmall(location), `config ${config.digest}`);
    requireSameCount(layers.length, parsed.diffIds.length, `manifest ${manifest.digest}`);
    return {
      reference: formatReference(this.#reference),
      platform: formatPlatform(platform ?? parsed.platform ?? unknownPlatform),
      target: this.#graph!.root.descriptor.digest,
      ...{ manifest: manifest.digest, manifestSize: manifest.size, manifestType: manifest.mediaType },
      ...{ config: config.digest, configSize: config.size, configType: config.mediaType },
      layers: layers.map(({ digest, size, mediaType }, position) => {
        parseLayerType(mediaType);
        return { digest, size, mediaType, diffId: parsed.diffIds[position]! };
      }),
    };
  }
}

interface FoundImage {
  readonly manifest: Descriptor;
  readonly content: Manifest;
  /** As the nearest index says. */
  readonly platform: Platform | undefined;
}

/** The images of a graph, without attestations and other artifacts. */
function listImages({ root, manifests }: Graph): FoundImage[] {
  const byDigest = new Map(manifests.map(manifest => [manifest.descriptor.digest, manifest]));
  const found = new Map<string, FoundImage>();
  const visit = (descriptor: Descriptor, inherited: Platform | undefined) => {
    const content = byDigest.get(descriptor.digest)?.content;
    const platform = descriptor.platform ?? inherited;
    if (content?.kind === 'index') {
      for (const entry of content.manifests) if (mayBeImage(entry)) visit(entry, platform);
    } else if (content !== undefined && findMediaType(content.config.mediaType)?.kind === 'config') {
      found.set(descriptor.digest, { manifest: descriptor, content, platform });
    }
  };
  visit(root.descriptor, undefined);
  return [...found.values()];
}

/** An ingest that was begun, if the blob was not there. */
class IngestHolder implements Disposable {
  readonly begun: Extract<Awaited<ReturnType<Store['beginIngest']>>, Disposable> | undefined;

  constructor(begun: Awaited<ReturnType<Store['beginIngest']>>) {
    this.begun = 'writeAt' in begun ? begun : undefined;
  }

  [Symbol.dispose](): void {
    this.begun?.[Symbol.dispose]();
  }
}
