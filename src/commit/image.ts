import { readLocation, readVerified } from '../content/index.ts';
import { findSourceDateEpoch } from '../host/index.ts';
import type { ChangesLayer } from '../layer/index.ts';
import {
  type Digest,
  formatReference,
  type ImageConfig,
  type Manifest,
  mediaTypes,
  parseConfig,
  parseManifest,
  parseReference,
} from '../oci/index.ts';
import type { NewImage, Store, StoredBlob } from '../store/index.ts';
import { type ConfigChanges, formatConfig, formatManifest, ociLayers } from './document.ts';
import { CommitError } from './error.ts';

/** The image that was changed. A `StoredImage` is one. */
export type BaseImage = Pick<NewImage, 'reference' | 'platform' | 'manifest' | 'manifestType'>;

export interface CommitOptions extends Partial<ConfigChanges> {
  readonly store: Store;
  readonly base: BaseImage;
  /** What has changed (`writeChangesLayer`); its file stays the caller's. */
  readonly layer: ChangesLayer;
  /** The new image's name: a reference without a digest. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
}

export interface CommittedImage {
  /** In full. */
  readonly reference: string;
  readonly platform: string;
  readonly manifestDigest: Digest;
  readonly configDigest: Digest;
}

/**
 * Makes an image of another one and a layer, and records it in the cache under a name, durably; an image of that name
 * and platform is replaced. CommitError `invalid` for a name or a change that cannot be, `not-found` where the cache
 * lacks a blob of the parent, `unsupported` for a parent that is no image any more. Before the end nothing shows.
 */
export async function commitImage(options: CommitOptions): Promise<CommittedImage> {
  const { store, base, layer, signal } = options;
  const reference = parseReference(options.name);
  if (reference.digest !== undefined) {
    throw new CommitError(
      'invalid',
      `${JSON.stringify(options.name)} has a digest, which a new image cannot choose`,
      {
        hint: 'name a repository and a tag',
      },
    );
  }
  const name = formatReference(reference);
  const parent = await readParent(store, base);
  const created = options.created ?? findSourceDateEpoch() ?? now();
  const config = formatConfig(parent.config, layer, { ...options, created });
  const manifest = formatManifest(parent.manifest, config, layer);
  const parentLayers = ociLayers(parent.manifest);
  const needed = [manifest, config, layer, ...parentLayers].map(({ digest }) => digest);
  using lease = store.lease(`commit of ${name}`, needed);
  for (const { digest, size } of parentLayers) requireBlob(store, base, digest, size);
  await putLayer(store, layer, signal);
  await store.putDocument(config, config.bytes);
  await store.putDocument(manifest, manifest.bytes);
  const diffIds = [...parent.config.diffIds, layer.diffId];
  const layers: StoredBlob[] = [...parentLayers, layer];
  store.putImage({
    ...{ reference: name, platform: base.platform, target: manifest.digest },
    ...{ manifest: manifest.digest, manifestSize: manifest.size, manifestType: mediaTypes.manifest },
    ...{ config: config.digest, configSize: config.size, configType: mediaTypes.config },
    layers: layers.map(({ digest, size, mediaType }, position) => {
      return { digest, size, mediaType, diffId: diffIds[position]! };
    }),
  });
  lease.release();
  return {
    ...{ reference: name, platform: base.platform },
    ...{ manifestDigest: manifest.digest, configDigest: config.digest },
  };
}

async function readParent(
  store: Store,
  base: BaseImage,
): Promise<{ readonly manifest: Manifest; readonly config: ImageConfig }> {
  const bytes = await readVerified(requireBlob(store, base, base.manifest), { digest: base.manifest });
  const manifest = parseManifest(bytes, base.manifestType, `manifest ${base.manifest}`);
  if (manifest.kind !== 'manifest') {
    throw new CommitError('unsupported', `${base.manifest} is an index, not the image of one platform`);
  }
  const { digest, size } = manifest.config;
  const location = requireBlob(store, base, digest, size);
  const config = parseConfig(await readVerified(location, { digest, size }), `config ${digest}`);
  if (config.diffIds.length !== manifest.layers.length) {
    const [layers, diffIds] = [manifest.layers.length, config.diffIds.length];
    throw new CommitError('invalid', `${base.reference} has ${layers} layers and ${diffIds} diffIDs`);
  }
  return { manifest, config };
}

function requireBlob(store: Store, { reference, platform }: BaseImage, digest: Digest, size?: number) {
  const location = store.findBlob(digest, size);
  if (location !== undefined) return location;
  throw new CommitError('not-found', `the cache lacks ${digest} of ${reference} (${platform})`, {
    detail: { digest, reference, platform },
    hint: 'pull the image again: a new one is made of its layers',
  });
}

async function putLayer(store: Store, layer: ChangesLayer, signal: AbortSignal | undefined): Promise<void> {
  const begun = await store.beginIngest(layer, { signal });
  if (!('writeAt' in begun)) return;
  using ingest = begun;
  let position = 0;
  try {
    for await (const chunk of readLocation({ path: layer.path, offset: 0, size: layer.size }, { signal })) {
      ingest.writeAt(chunk, position);
      position += chunk.length;
    }
  } catch (error) {
    ingest.discard();
    throw error;
  }
  await ingest.commit();
}

function now() {
  const time = Date.now();
  const seconds = Math.floor(time / 1000);
  return { seconds, nanoseconds: (time - seconds * 1000) * 1_000_000 };
}
