import { readFileSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import { hostPlatform } from '../../host/index.ts';
import {
  type Digest,
  formatPlatform,
  formatReference,
  type ImageConfig,
  normalizePlatform,
  parseConfig,
  parsePlatform,
  parseSource,
} from '../../oci/index.ts';
import type { Store, StoredArtifact } from '../../store/index.ts';
import { artifactKey, digestFile } from '../artifact.ts';
import { type ImageOptions, summarise, type WarningSummary } from '../options.ts';
import { resolveTarget } from '../output.ts';
import { modificationTime } from '../result.ts';

/** An image as a zone needs it: a file for its disk, and what is to run. */
export interface ZoneArtifact {
  /** Of the manifest; of the config, where an archive has no manifest. */
  readonly manifest: Digest;
  readonly config: ImageConfig;
  readonly configDigest: Digest;
  readonly artifact: StoredArtifact;
  /** Of the rendering, if there was one. */
  readonly warnings?: WarningSummary | undefined;
}

const request = { path: 'artifact', format: 'squashfs' } as const;

/**
 * The squashfs of an image: the cache's, if the image was rendered before; otherwise it is pulled and rendered. ShaleError `unsupported` for
 * an image of another architecture, whose programs could not run.
 */
export async function prepareImage(
  reference: string,
  store: Store,
  options: ImageOptions,
): Promise<ZoneArtifact> {
  const prepared = findPrepared(reference, store, options) ?? (await makePrepared(reference, store, options));
  requireOurArchitecture(reference, prepared.config);
  return prepared;
}

/** What the cache has: nothing is asked, nothing is read but two rows and the config. */
function findPrepared(reference: string, store: Store, options: ImageOptions): ZoneArtifact | undefined {
  const source = parseSource(reference);
  if (source.kind !== 'registry' && source.kind !== 'cache') return undefined;
  const { policy = 'if-not-present', strict, limits } = options;
  // Who wants to be told of every warning, or has limits of their own, wants the image to be looked at.
  if ((policy === 'always' && source.kind !== 'cache') || strict === true || limits !== undefined)
    return undefined;
  const platform = wantedPlatform(options);
  const image = store
    .findImages(formatReference(source.reference))
    .find(found => found.platform === platform);
  const blob = image && store.findBlob(image.config, image.configSize);
  if (image === undefined || blob === undefined) return undefined;
  const config = parseConfig(readFileSync(blob.path), `config ${image.config}`);
  const artifact = store.findArtifact(keyOf(image.manifest, config));
  if (artifact === undefined) return undefined;
  store.touchImage(image);
  return { manifest: image.manifest, config, configDigest: image.config, artifact };
}

async function makePrepared(reference: string, store: Store, options: ImageOptions): Promise<ZoneArtifact> {
  const { kind } = parseSource(reference);
  if (kind !== 'registry' && kind !== 'cache') return await renderLocal(reference, store, options);
  const { pull } = await import('../pull.ts');
  const pulled = await pull(reference, { policy: 'if-not-present', ...options });
  const image = store
    .images()
    .find(({ manifest, reference }) => manifest === pulled.manifestDigest && reference === pulled.reference);
  const blob = image && store.findBlob(image.config, image.configSize);
  if (image === undefined || blob === undefined) throw vanished(reference);
  const config = parseConfig(readFileSync(blob.path), `config ${image.config}`);
  const artifact = store.findArtifact(keyOf(image.manifest, config));
  if (artifact === undefined) throw vanished(reference);
  return {
    manifest: image.manifest,
    config,
    configDigest: image.config,
    artifact,
    warnings: pulled.warnings,
  };
}

/** Of a layout or an archive: it stays where it is, the cache only keeps what was made of it. */
async function renderLocal(reference: string, store: Store, options: ImageOptions): Promise<ZoneArtifact> {
  const { withSource } = await import('../source.ts');
  const { renderImage } = await import('../render.ts');
  return await withSource(reference, options, async opened => {
    const { image } = opened;
    const { config, configDigest } = image;
    const manifest = image.manifestDigest ?? configDigest;
    const key = keyOf(manifest, config);
    const there = store.findArtifact(key);
    if (there !== undefined) return { manifest, config, configDigest, artifact: there };
    requireOurArchitecture(reference, config);
    using draft = store.createArtifact(key, 'sqfs');
    const { outputs } = await renderImage(opened, [{ ...request, path: draft.path }], options);
    const digest = await digestFile(draft.path, opened.signal);
    const artifact = await draft.commit({ digest, size: outputs[0]!.bytes });
    return { manifest, config, configDigest, artifact, warnings: summarise(opened.warnings) };
  });
}

function keyOf(manifest: Digest, { created }: ImageConfig) {
  const time = modificationTime(created ?? { seconds: 0, nanoseconds: 0 });
  return artifactKey(manifest, resolveTarget(request, time))!;
}

function wantedPlatform({ platform }: ImageOptions): string {
  if (platform !== undefined) return formatPlatform(parsePlatform(platform));
  return formatPlatform(normalizePlatform({ ...hostPlatform(), os: 'linux' }));
}

/** Variants are left to the processor: an instruction that it lacks ends the program, not the zone. */
function requireOurArchitecture(reference: string, { platform }: ImageConfig): void {
  const { architecture } = hostPlatform();
  if (platform === undefined || platform.architecture === architecture) return;
  throw new ShaleError(
    'unsupported',
    `${reference} is for ${formatPlatform(platform)}, and zones here run programs for ${architecture}`,
    { detail: { image: platform.architecture, host: architecture }, hint: 'choose another with --platform' },
  );
}

function vanished(reference: string): ShaleError {
  return new ShaleError('conflict', `${reference} was removed from the cache meanwhile`, {
    detail: { reference },
    hint: 'run it again',
  });
}
