import { ShaleError } from '../error/index.ts';
import { type Digest, formatPlatform, parseSource } from '../oci/index.ts';
import type { PulledImage } from '../pull/index.ts';
import type { Store } from '../store/index.ts';
import { artifactKey } from './artifact.ts';
import { type ImageOptions, summarise, type WarningSummary } from './options.ts';
import { type OutputRequest, resolveTarget } from './output.ts';
import { renderImage } from './render.ts';
import { modificationTime } from './result.ts';
import { recallImage } from './reuse.ts';
import { type OpenedImage, withSource } from './source.ts';
import { leaseStack } from './stack/lease.ts';
import type { StackManifest } from './stack/manifest.ts';
import { completeForm, type StackForm, type StackRequest } from './stack/request.ts';

/** What a pull makes of an image; `none`: it is fetched and verified, no more. */
export const pullFormats = ['squashfs', 'erofs', 'tar', 'none'] as const;
export type PullFormat = (typeof pullFormats)[number];

export type PullRequest = ImageOptions &
  Pick<OutputRequest, 'compression' | 'level' | 'blockSize' | 'fragments' | 'mtime'> & {
    /** `squashfs` if absent. */
    readonly format?: PullFormat | undefined;
    /** A file for each layer instead, and what belongs to them (see `renderStack`); with no other format. */
    readonly stack?: StackRequest | undefined;
  };

export interface PullResult {
  /** In full. */
  readonly reference: string;
  /** What the reference stands for: of an index, or of the manifest itself. */
  readonly digest: Digest;
  readonly manifestDigest: Digest;
  readonly platform: string;
  /** Oldest first; `cached` were there before. */
  readonly layers: readonly { readonly digest: Digest; readonly size: number; readonly cached: boolean }[];
  /** Of layers, without the manifest and the config. */
  readonly downloadedBytes: number;
  readonly artifact?: {
    readonly path: string;
    readonly format: string;
    readonly bytes: number;
    readonly digest: Digest;
    /** Whether the cache had it already. */
    readonly reused: boolean;
  };
  /** Of a stack: its files in the cache, under the names that its manifest gives them. */
  readonly stack?: {
    readonly manifest: StackManifest;
    readonly files: readonly { readonly file: string; readonly path: string }[];
    /** How many were made; the others were there. */
    readonly made: number;
  };
  /** Whether the cache had the image already, whole and under this name. */
  readonly upToDate: boolean;
  readonly warnings: WarningSummary;
}

/**
 * Brings an image into the cache and renders it while it arrives: one decompression in all. What is there is not fetched
 * again, and an artifact that is there is not made again. The policy is `always` if not given: the registry is asked
 * what the name stands for now.
 *
 *     const { artifact } = await pull('nginx:1.27');
 *     // artifact.path is a squashfs that the kernel mounts
 */
export async function pull(reference: string, options: PullRequest = {}): Promise<PullResult> {
  const { kind } = parseSource(reference);
  if (kind !== 'registry' && kind !== 'cache') {
    throw new ShaleError('invalid', `${reference} is not in a registry`, {
      hint: `shale copy ${reference} cache:NAME brings it into the cache`,
    });
  }
  if (options.cache === false) {
    throw new ShaleError('invalid', 'a pull is into the cache: without one there is nothing to do', {
      hint: 'shale render REFERENCE OUT --no-cache makes a file and keeps nothing else',
    });
  }
  const request = requestOf(options);
  if (request !== undefined) resolveTarget({ ...request, path: 'artifact' }, 0);
  const form = options.stack && completeForm(options.stack);
  const given = { ...options, policy: options.policy ?? 'always' };
  return await withSource(reference, given, async opened => {
    const { image, store } = opened.pulled!;
    // What the cache has is told apart now: it will have everything in a moment.
    const { upToDate, layers } = image;
    // Until the image is kept, which keeps them then.
    using _lease = form && leaseStack(store, image);
    const artifact = form ? undefined : await makeArtifact(opened, image, store, request, options);
    const stack = form && (await keepStack(opened, image, store, form, options));
    await image.keep();
    return {
      ...{ reference: image.reference, digest: image.target, manifestDigest: image.manifestDigest },
      platform: formatPlatform(image.platform),
      layers: layers.map(({ digest, size, cached }) => ({ digest, size, cached })),
      downloadedBytes: image.fetched,
      ...(artifact !== undefined && { artifact }),
      ...(stack !== undefined && { stack }),
      upToDate,
      warnings: summarise(opened.warnings),
    };
  });
}

function requestOf({
  stack,
  format = stack === undefined ? 'squashfs' : 'none',
  ...options
}: PullRequest): Omit<OutputRequest, 'path'> | undefined {
  if (stack !== undefined && format !== 'none') {
    throw new ShaleError('invalid', `a pull makes a stack or a ${format}, not both`, {
      hint: 'leave out --format, or make the other with shale render',
    });
  }
  const { compression, level, blockSize, fragments, mtime } = options;
  const squashfs = { compression, level, blockSize, fragments, mtime };
  if (format !== 'none') return { format, ...squashfs };
  const given = Object.entries(squashfs).find(([, value]) => value !== undefined);
  if (given === undefined) return undefined;
  const what = stack === undefined ? '--format none makes nothing' : 'layers are not compressed';
  throw new ShaleError('invalid', `${given[0]} is an option of an image that is one file: ${what}`);
}

async function makeArtifact(
  opened: OpenedImage,
  image: PulledImage,
  store: Store,
  request: Omit<OutputRequest, 'path'> | undefined,
  options: ImageOptions,
): Promise<PullResult['artifact']> {
  if (request === undefined) {
    await image.fetchAll();
    options.onProgress?.({ type: 'finish' });
    return undefined;
  }
  const target = resolveTarget({ ...request, path: 'artifact' }, modificationTime(opened.created));
  const { format } = target;
  const key = artifactKey(image.manifestDigest, target)!;
  const there = store.findArtifact(key);
  if (there !== undefined) {
    await image.fetchAll();
    // It may have been made under looser limits, or without --strict.
    await recallImage(opened, options, [format]);
    const { path, size: bytes, digest } = there;
    return { path, format, bytes, digest, reused: true };
  }
  using draft = store.createArtifact(key, format === 'squashfs' ? 'sqfs' : format);
  const { outputs } = await renderImage(opened, [{ ...request, path: draft.path }], {
    ...options,
    measure: true,
  });
  const { bytes: size, measured } = outputs[0]!;
  const made = await draft.commit({ size, measured, signal: opened.signal });
  return { path: made.path, format, bytes: made.size, digest: made.digest, reused: false };
}

async function keepStack(
  opened: OpenedImage,
  image: PulledImage,
  store: Store,
  form: StackForm,
  options: ImageOptions,
): Promise<PullResult['stack']> {
  const { makeStack } = await import('./stack/make.ts');
  const { describeStack } = await import('./stack/describe.ts');
  const made = await makeStack(opened, store, form, options);
  // Layers whose files were there.
  await image.fetchAll();
  const { manifest, files } = describeStack(image, made);
  return {
    ...{ manifest, made: made.made },
    files: files.map(({ file, artifact }) => ({ file, path: artifact.path })),
  };
}
