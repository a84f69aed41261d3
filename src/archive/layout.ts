import { readSmall } from '../content/index.ts';
import {
  choosePlatform,
  type Descriptor,
  findMediaType,
  JsonView,
  type Manifest,
  parseConfig,
  parseJson,
  parseLayerType,
  parseManifest,
  requireImage,
  type SourceReading,
} from '../oci/index.ts';
import { ArchiveError, checkAbort } from './error.ts';
import type { Image, ImageLayer, OpenOptions } from './image.ts';
import { locate, type Medium } from './medium.ts';
import { requirePlatform, requireSameCount, unknownPlatform } from './requirement.ts';
import { entryNames, selectEntries } from './tag.ts';
import { blobName, type Candidate, findDescriptor, listImages, readDocument, readManifest } from './walk.ts';

/** Opens one image of an OCI layout (OCI image-spec, image-layout.md), whatever medium holds its files. */
export async function openLayout(
  medium: Medium,
  reading: SourceReading,
  reference: string,
  options: OpenOptions,
): Promise<Image> {
  const { signal } = options;
  const entries = await readEntries(medium, signal);
  const { descriptor, platform } = await chooseImage(medium, entries, reading, reference, options);
  const manifest = await readManifest(medium, descriptor, signal);
  const where = `${reference}: manifest ${descriptor.digest}`;
  if (manifest.kind !== 'manifest') throw new ArchiveError('invalid', `${where} is an index`);
  requireImage(manifest, where);
  const configBytes = await readDocument(medium, manifest.config, 'config', signal);
  const config = parseConfig(configBytes, `config ${manifest.config.digest}`);
  requirePlatform(platform ?? config.platform, options.platform, reference);
  const layers = await findLayers(medium, manifest, config.diffIds, signal);
  return {
    reference,
    platform: platform ?? config.platform ?? unknownPlatform,
    manifestDigest: descriptor.digest,
    manifest,
    config,
    configDigest: manifest.config.digest,
    layers,
    async [Symbol.asyncDispose]() {},
  };
}

/** The entries of index.json, after the layout's version has been checked. */
export async function readEntries(
  medium: Medium,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const marker = await medium.find('oci-layout');
  if (marker === undefined) {
    const docker = (await medium.find('manifest.json')) !== undefined;
    throw new ArchiveError('invalid', `${medium.path} is no OCI layout: it has no oci-layout file`, {
      ...(docker ? { hint: 'it looks like the output of docker save: try docker-archive:' } : {}),
    });
  }
  const where = `${medium.path}: oci-layout`;
  const version = new JsonView(parseJson(await readSmall(marker, { signal }), where), where).string(
    'imageLayoutVersion',
  );
  if (!/^1\.\d+\.\d+$/.test(version)) {
    throw new ArchiveError('unsupported', `${where} has version ${JSON.stringify(version)}; 1.x is known`);
  }
  const location = await locate(medium, 'index.json', 'the index of the layout');
  const index = parseManifest(await readSmall(location, { signal }), undefined, `${medium.path}: index.json`);
  if (index.kind !== 'index') throw new ArchiveError('invalid', `${medium.path}: index.json is no index`);
  return index.manifests;
}

async function chooseImage(
  medium: Medium,
  entries: readonly Descriptor[],
  reading: SourceReading,
  reference: string,
  options: OpenOptions,
): Promise<Candidate> {
  const roots = await findRoots(medium, entries, reading, options.signal);
  const direct = reading.digest !== undefined && findMediaType(roots[0]!.mediaType)?.kind !== 'index';
  if (direct) return { descriptor: roots[0]!, platform: roots[0]!.platform };
  const candidates = await listImages(medium, roots, options.signal);
  const [first] = candidates;
  if (first === undefined) {
    throw new ArchiveError('not-found', `${reference} holds no image, only attestations or other artifacts`);
  }
  if (candidates.length === 1) return first;
  return choosePlatform(candidates, options.platform ?? options.host, reference);
}

/** What a tag or a digest means: several entries only if they are one image for several platforms. */
export async function findRoots(
  medium: Medium,
  entries: readonly Descriptor[],
  reading: SourceReading,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  if (reading.digest === undefined) return selectEntries(entries, reading.name, medium.path);
  return [await requireDescriptor(medium, entries, reading, signal)];
}

async function requireDescriptor(
  medium: Medium,
  entries: readonly Descriptor[],
  { digest }: SourceReading,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const found = await findDescriptor(medium, entries, digest!, signal);
  if (found !== undefined) return found;
  const there = entries.map(({ digest }) => digest).slice(0, 50);
  throw new ArchiveError('not-found', `${medium.path} has no manifest ${digest}`, {
    detail: { digest, manifests: there, tags: entries.flatMap(entryNames).slice(0, 50) },
    hint: `its index names ${there.length === 0 ? 'none' : there.join(', ')}`,
  });
}

async function findLayers(
  medium: Medium,
  manifest: Manifest,
  diffIds: Image['config']['diffIds'],
  signal: AbortSignal | undefined,
): Promise<ImageLayer[]> {
  requireSameCount(manifest.layers.length, diffIds.length, medium.path);
  const layers: ImageLayer[] = [];
  for (const [position, { digest, size, mediaType, annotations }] of manifest.layers.entries()) {
    checkAbort(signal);
    const type = parseLayerType(mediaType);
    const name = blobName(digest);
    const blob = await medium.find(name);
    const detail = { layer: position, digest, path: medium.path };
    if (blob === undefined) {
      const message = `${medium.path} has no ${name}, layer ${position + 1} of ${diffIds.length} of the image`;
      if (!type.nondistributable) throw new ArchiveError('not-found', message, { detail });
      throw new ArchiveError(
        'not-found',
        `${message}: it is not distributable, and was left out of the copy`,
        {
          detail,
          hint: 'copy the image again together with its foreign layers',
        },
      );
    }
    if (blob.size !== size) {
      const message = `${medium.path}: ${name} (layer ${position + 1}) has ${blob.size} bytes, not ${size}`;
      throw new ArchiveError('corrupt', message, {
        detail: { ...detail, expected: size, actual: blob.size },
      });
    }
    const locate = async () => blob;
    layers.push({ digest, size, diffId: diffIds[position]!, mediaType, locate, annotations });
  }
  return layers;
}
