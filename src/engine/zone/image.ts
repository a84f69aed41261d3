import { readFileSync } from 'node:fs';
import { hostPlatform } from '../../host/index.ts';
import {
  formatPlatform,
  formatReference,
  normalizePlatform,
  parseConfig,
  parsePlatform,
  parseSource,
} from '../../oci/index.ts';
import type { StoreReader } from '../../store/index.ts';
import type { ImageOptions } from '../options.ts';
import { keyOf, requireOurArchitecture, type ZoneArtifact, type ZoneFormat } from './artifact.ts';

export interface ZoneImageOptions extends ImageOptions {
  readonly format: ZoneFormat;
}

/**
 * The disk of an image: the cache's, if the image was rendered before; otherwise it is pulled and rendered. ShaleError `unsupported` for
 * an image of another architecture, whose programs could not run.
 */
export async function prepareImage(
  reference: string,
  store: StoreReader,
  options: ZoneImageOptions,
): Promise<ZoneArtifact> {
  const prepared = findPrepared(reference, store, options) ?? (await make(reference, options));
  requireOurArchitecture(reference, prepared.config);
  return prepared;
}

/** Most images are there already: what pulls and renders is loaded for others only. */
async function make(reference: string, options: ZoneImageOptions): Promise<ZoneArtifact> {
  const { makeImage } = await import('./make-image.ts');
  return await makeImage(reference, options);
}

/** What the cache has: nothing is asked, nothing is read but two rows and the config. */
function findPrepared(
  reference: string,
  store: StoreReader,
  options: ZoneImageOptions,
): ZoneArtifact | undefined {
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
  const artifact = store.findArtifact(keyOf(image.manifest, config, options.format));
  if (artifact === undefined) return undefined;
  store.touchImage(image);
  return { manifest: image.manifest, config, configDigest: image.config, artifact };
}

function wantedPlatform({ platform }: ImageOptions): string {
  if (platform !== undefined) return formatPlatform(parsePlatform(platform));
  return formatPlatform(normalizePlatform({ ...hostPlatform(), os: 'linux' }));
}
