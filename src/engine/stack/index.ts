/** Images as stacks: one immutable file per layer, and what makes one filesystem of them (`src/stack/`). */
import { type ImageOptions, summarise, type WarningSummary } from '../options.ts';
import { describeImage, type RenderResult } from '../result.ts';
import { withSource } from '../source.ts';
import { describeStack } from './describe.ts';
import { makeStack } from './make.ts';
import type { StackManifest } from './manifest.ts';
import { openCache } from './open-cache.ts';
import { checkPlace, placeStack } from './place.ts';
import { completeForm, type StackRequest } from './request.ts';

export type { StackFile, StackLayer, StackManifest } from './manifest.ts';
export type { StackRequest } from './request.ts';

export interface StackResult {
  readonly path: string;
  readonly manifest: StackManifest;
  /** Bytes of all files, each counted once. */
  readonly bytes: number;
  readonly image: RenderResult['image'];
  /** Of the whole image. */
  readonly inodes: number;
  /** Files that were made; the others were in the cache. */
  readonly made: number;
  readonly warnings: WarningSummary;
}

/**
 * Renders an image as a stack, into a directory: a file for each layer, the head or the merged image, and `stack.json`, which
 * tells how to mount them. Layers' files are kept in the cache by diffID, so images that share layers share them; what a
 * new image costs is its own layers.
 *
 *     await renderStack('oci:./layout:latest', 'stack', { merged: true });
 */
export async function renderStack(
  source: string,
  path: string,
  request: StackRequest,
  options: ImageOptions = {},
): Promise<StackResult> {
  const form = completeForm(request);
  checkPlace(path);
  return await withSource(source, options, async opened => {
    await using cache = await openCache(opened, path, options);
    const made = await makeStack(opened, cache.store, form, options);
    const { manifest, files } = describeStack(opened.image, made);
    await placeStack(cache.store, path, files, manifest);
    return {
      ...{ path, manifest, inodes: made.inodes, made: made.made },
      bytes: files.reduce((sum, { artifact }) => sum + artifact.size, 0),
      image: describeImage(opened.image, made.read),
      warnings: summarise(opened.warnings),
    };
  });
}
