import { requirePlatform, requireSameCount, unknownPlatform } from '../archive/index.ts';
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  formatReference,
  type Manifest,
  type Platform,
  parseLayerType,
  parsePlatform,
  platformDistance,
  type Reference,
} from '../oci/index.ts';
import type { Lease, StoredImage } from '../store/index.ts';
import { Documents } from './documents.ts';
import { PullError } from './error.ts';
import type { PulledImage, PullOptions } from './image.ts';
import { StoreImage } from './store-image.ts';

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
