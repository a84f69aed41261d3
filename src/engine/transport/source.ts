import { openFetcher, requireNotLocal } from '../../archive/index.ts';
import { type Fetcher, readSmall } from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  formatReference,
  parseManifest,
  parsePlatform,
  parseReference,
  platformDistance,
  type Reference,
  type Source,
} from '../../oci/index.ts';
import type { RepositoryName } from '../../registry/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';
import { CacheFetcher } from './cache-fetcher.ts';
import { type ChoiceOptions, chooseRoot } from './choice.ts';
import type { Connections } from './connections.ts';
import { RegistryFetcher } from './registry-fetcher.ts';

/** What is to be copied. */
export interface CopySource extends Disposable {
  readonly fetcher: Fetcher;
  readonly root: Descriptor;
  /** Another repository of the same registry, from which the target may mount the blob. */
  findSister(target: RepositoryName, digest: Digest): string | undefined;
}

/** Opens the source and chooses what of it is meant; nothing is read but manifests. */
export async function openCopySource(
  source: Source,
  connections: Connections,
  options: ChoiceOptions,
): Promise<CopySource> {
  switch (source.kind) {
    case 'registry':
      await requireNotLocal(source);
      return await openRegistry(source.reference, connections, options);
    case 'cache':
      return openCache(source.reference, await connections.store(), options);
    default: {
      const { fetcher, roots } = await openFetcher(source, options);
      return { fetcher, root: await chooseRoot(fetcher, roots, options), ...unrelated };
    }
  }
}

const unrelated = { findSister: () => undefined, [Symbol.dispose]: () => {} };

async function openRegistry(
  reference: Reference,
  connections: Connections,
  options: ChoiceOptions,
): Promise<CopySource> {
  const { repository } = reference;
  const client = await connections.client();
  const { retries, onRetry } = connections.options;
  const fetcher = new RegistryFetcher(client, reference, { retries, onRetry });
  const { descriptor, bytes } = await client.fetchManifest(reference, { signal: options.signal });
  fetcher.remember(descriptor, bytes);
  const root = await chooseRoot(fetcher, [descriptor], options);
  return {
    ...unrelated,
    fetcher,
    root,
    findSister: target => (isSister(reference, target) ? repository : undefined),
  };
}

/** What the cache has. Until it is disposed, gc keeps its hands off. */
async function openCache(reference: Reference, store: Store, options: ChoiceOptions): Promise<CopySource> {
  const name = formatReference(reference);
  const images = store.findImages(name);
  if (images.length === 0) {
    throw new ShaleError('not-found', `the cache has no image ${name}`, {
      detail: { reference: name },
      hint: `fetch it first: shale pull ${name}`,
    });
  }
  const lease = store.lease(`copy of ${name}`, images.flatMap(digestsOf));
  let known: readonly StoredImage[] | undefined;
  try {
    const fetcher = new CacheFetcher(store, name);
    const root = options.all
      ? await describeTarget(images, store, name)
      : describeManifest(chooseImage(images, name, options));
    return {
      fetcher,
      root,
      findSister: (target, digest) => {
        known ??= store.images();
        return findSister(known, target, digest);
      },
      [Symbol.dispose]: () => lease.release(),
    };
  } catch (error) {
    lease.release();
    throw error;
  }
}

function digestsOf({ target, manifest, config, layers }: StoredImage): Digest[] {
  return [target, manifest, config, ...layers.map(({ digest }) => digest)];
}

function chooseImage(images: readonly StoredImage[], name: string, options: ChoiceOptions): StoredImage {
  const { platform: wanted, host } = options;
  const candidates = images.map(image => ({ image, platform: parsePlatform(image.platform) }));
  if (candidates.length === 1) {
    const [{ image, platform }] = candidates as [(typeof candidates)[0]];
    if (wanted === undefined || platformDistance(platform, wanted) !== undefined) return image;
  }
  return choosePlatform(candidates, wanted ?? host, `cache:${name}`).image;
}

/** What the name stood for when it was pulled; its parts may be there or not. */
async function describeTarget(
  images: readonly StoredImage[],
  store: Store,
  name: string,
): Promise<Descriptor> {
  const [first, ...others] = images as [StoredImage, ...StoredImage[]];
  if (others.some(({ target }) => target !== first.target)) {
    throw new ShaleError('invalid', `cache:${name} is of several indexes: it was pulled at different times`, {
      hint: 'copy from the registry, with docker://, or one platform with --platform',
    });
  }
  if (first.target === first.manifest) return describeManifest(first);
  const location = store.findBlob(first.target);
  if (location === undefined) {
    throw new ShaleError('not-found', `the cache does not have ${first.target}, the index of ${name}`, {
      hint: `fetch it again: shale pull ${name}`,
    });
  }
  const { mediaType } = parseManifest(await readSmall(location), undefined, `index ${first.target}`);
  return describe(mediaType, first.target, location.size);
}

function describeManifest({ manifest, manifestSize, manifestType }: StoredImage): Descriptor {
  return describe(manifestType, manifest, manifestSize);
}

function describe(mediaType: string, digest: Digest, size: number): Descriptor {
  const none = { platform: undefined, artifactType: undefined, data: undefined };
  return { mediaType, digest, size, annotations: {}, urls: [], ...none };
}

/** An image of that registry which has the blob: from there it came, or there it went. */
function findSister(
  images: readonly StoredImage[],
  target: RepositoryName,
  digest: Digest,
): string | undefined {
  for (const image of images) {
    if (!digestsOf(image).includes(digest)) continue;
    const reference = parseReference(image.reference);
    if (isSister(reference, target)) return reference.repository;
  }
  return undefined;
}

function isSister(one: RepositoryName, other: RepositoryName): boolean {
  return one.registry === other.registry && one.repository !== other.repository;
}
