import { createHash } from 'node:crypto';
import { DigestVerifier, readSmall } from '../content/index.ts';
import {
  choosePlatform,
  type Digest,
  formatReference,
  type ImageConfig,
  JsonView,
  mediaTypes,
  type Platform,
  parseConfig,
  parseDigest,
  parseJson,
  parseReference,
  type SourceReading,
} from '../oci/index.ts';
import { ArchiveError, checkAbort } from './error.ts';
import type { Image, ImageLayer, OpenOptions } from './image.ts';
import { locate, type Medium } from './medium.ts';
import { requirePlatform, requireSameCount, unknownPlatform } from './requirement.ts';
import { listSome } from './tag.ts';

/** One element of manifest.json (Docker image-spec v1.2, "Combined Image JSON + Filesystem Changeset Format"). */
interface SavedImage {
  readonly config: string;
  readonly tags: readonly string[];
  /** Paths in the archive, oldest first. */
  readonly layers: readonly string[];
}

/** One image of what `docker save` writes: there is no manifest, so this is all that describes it. */
export interface ChosenImage {
  readonly platform: Platform;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  readonly configDigest: Digest;
  /** Oldest first. */
  readonly layers: readonly ImageLayer[];
}

/** Opens one image of what `docker save` writes. */
export async function openSaved(
  medium: Medium,
  reading: SourceReading,
  reference: string,
  options: OpenOptions,
): Promise<Image> {
  const { platform, config, configDigest, layers } = await chooseSaved(medium, reading, reference, options);
  return {
    reference,
    platform,
    manifestDigest: undefined,
    manifest: undefined,
    config,
    configDigest,
    layers,
    async [Symbol.asyncDispose]() {},
  };
}

/** Chooses by name and platform; `reference` is what to call the source in errors. */
export async function chooseSaved(
  medium: Medium,
  reading: SourceReading,
  reference: string,
  options: OpenOptions,
): Promise<ChosenImage> {
  const saved = select(await readSaved(medium, options.signal), reading.name, medium.path);
  const opened = [];
  for (const image of saved) {
    checkAbort(options.signal);
    const read = await readConfig(medium, image, options.signal);
    opened.push({ image, ...read, platform: read.config.platform });
  }
  const chosen =
    opened.length === 1 ? opened[0]! : choosePlatform(opened, options.platform ?? options.host, reference);
  const { image, config, configBytes, configDigest, platform } = chosen;
  requirePlatform(platform, options.platform, reference);
  return {
    platform: platform ?? unknownPlatform,
    config,
    configBytes,
    configDigest,
    layers: await findLayers(medium, image, config, options.signal),
  };
}

async function readSaved(medium: Medium, signal: AbortSignal | undefined): Promise<SavedImage[]> {
  const location = await medium.find('manifest.json');
  if (location === undefined) {
    if (await medium.find('oci-layout')) {
      throw new ArchiveError(
        'invalid',
        `${medium.path} is not what docker save writes: it has no manifest.json`,
        {
          hint: 'it looks like an OCI layout: try oci-archive:',
        },
      );
    }
    if (await medium.find('repositories')) {
      throw new ArchiveError('unsupported', `${medium.path} was saved by a Docker older than 1.10`, {
        hint: 'load it into a current Docker and save it again',
      });
    }
    throw new ArchiveError(
      'invalid',
      `${medium.path} is not what docker save writes: it has no manifest.json`,
    );
  }
  const where = `${medium.path}: manifest.json`;
  const list = parseJson(await readSmall(location, { signal }), where);
  if (!Array.isArray(list)) throw new ArchiveError('invalid', `${where} is not a list`);
  return list.map((value, index) => {
    const view = new JsonView(value, `${where}[${index}]`);
    return { config: view.string('Config'), tags: view.strings('RepoTags'), layers: view.strings('Layers') };
  });
}

/** The images that `name` means: several only if they share a tag, for different platforms. */
function select(images: readonly SavedImage[], name: string | undefined, where: string): SavedImage[] {
  const tags = [...new Set(images.flatMap(image => image.tags))];
  const detail = { tags: tags.slice(0, 50), images: images.length };
  const hint = `choose one with :@N, N from 0 to ${images.length - 1}${tags.length === 0 ? '' : `, or with :REF; its references are ${listSome(tags)}`}`;
  if (images.length === 0) throw new ArchiveError('not-found', `${where} holds no image`, { detail });
  if (name === undefined) {
    const distinct = distinctImages(images);
    if (distinct.length === 1) return distinct;
    throw new ArchiveError('invalid', `${where} holds ${distinct.length} images`, { detail, hint });
  }
  if (name.startsWith('@')) {
    const image = /^@\d{1,9}$/.test(name) ? images[Number(name.slice(1))] : undefined;
    if (image !== undefined) return [image];
    throw new ArchiveError('not-found', `${where} has no image ${JSON.stringify(name)}`, { detail, hint });
  }
  const wanted = normalize(name);
  const found = distinctImages(images.filter(image => image.tags.some(tag => normalize(tag) === wanted)));
  if (found.length > 0) return found;
  throw new ArchiveError('not-found', `${where} has no image ${JSON.stringify(name)}`, { detail, hint });
}

function distinctImages(images: readonly SavedImage[]): SavedImage[] {
  return [...new Map(images.map(image => [image.config, image])).values()];
}

/** A reference in full, so that `nginx` finds `docker.io/library/nginx:latest`; other text as it is. */
function normalize(text: string): string {
  try {
    return formatReference(parseReference(text));
  } catch {
    return text;
  }
}

async function readConfig(
  medium: Medium,
  image: SavedImage,
  signal: AbortSignal | undefined,
): Promise<Pick<ChosenImage, 'config' | 'configBytes' | 'configDigest'>> {
  const configBytes = await readSmall(await locate(medium, image.config, 'the config of the image'), {
    signal,
  });
  const named = /^(?:blobs\/sha256\/([0-9a-f]{64})|([0-9a-f]{64})\.json)$/.exec(image.config);
  const hex = named?.[1] ?? named?.[2] ?? createHash('sha256').update(configBytes).digest('hex');
  const configDigest = parseDigest(`sha256:${hex}`);
  const verifier = new DigestVerifier({ digest: configDigest }, `${medium.path}: ${image.config}`);
  verifier.update(configBytes);
  verifier.finish();
  return { config: parseConfig(configBytes, `${medium.path}: ${image.config}`), configBytes, configDigest };
}

async function findLayers(
  medium: Medium,
  image: SavedImage,
  config: ImageConfig,
  signal: AbortSignal | undefined,
): Promise<ImageLayer[]> {
  requireSameCount(image.layers.length, config.diffIds.length, medium.path);
  const layers: ImageLayer[] = [];
  for (const [position, path] of image.layers.entries()) {
    checkAbort(signal);
    const blob = await locate(medium, path, `layer ${position + 1} of ${image.layers.length} of the image`);
    // Since Docker 25 the archive is an OCI layout as well, and names its blobs by their digests.
    const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
    layers.push({
      digest: hex === undefined ? undefined : parseDigest(`sha256:${hex}`),
      size: blob.size,
      diffId: config.diffIds[position]!,
      mediaType: mediaTypes.dockerLayer,
      locate: async () => blob,
      annotations: {},
    });
  }
  return layers;
}
