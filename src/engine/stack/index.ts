/** Images as stacks: one immutable file per layer, and what makes one filesystem of them (`src/stack/`). */
import { join } from 'node:path';
import { type IntegrityRequest, type SealedFile, sealFiles } from '../integrity/index.ts';
import { type ImageOptions, summarise, type WarningSummary } from '../options.ts';
import { describeImage, type RenderResult } from '../result.ts';
import { withSource } from '../source.ts';
import { describeStack } from './describe.ts';
import { leaseStack } from './lease.ts';
import { makeStack } from './make.ts';
import { filesOf, manifestName, type StackFile, type StackManifest } from './manifest.ts';
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
  /** What was sealed and what not, if that was asked for. */
  readonly sealed?: readonly SealedFile[];
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
  options: ImageOptions & IntegrityRequest = {},
): Promise<StackResult> {
  const form = completeForm(request);
  checkPlace(path);
  return await withSource(source, options, async opened => {
    await using cache = await openCache(opened, path, options);
    using _lease = leaseStack(cache.store, opened.image);
    const made = await makeStack(opened, cache.store, form, options);
    const { files, ...described } = describeStack(opened.image, made);
    const { jobs, hashTree, seal } = options;
    const { warnings, signal } = opened;
    const hashing = { jobs, hashTree, seal, warnings, signal };
    const manifest = await placeStack(cache.store, path, files, described.manifest, hashing);
    const all = filesOf(manifest);
    return {
      ...{ path, manifest, inodes: made.inodes, made: made.made },
      bytes: all.reduce((sum, { size }) => sum + size, 0),
      ...(seal && { sealed: await sealStack(path, all, hashing) }),
      image: describeImage(opened.image, made.read),
      warnings: summarise(opened.warnings),
    };
  });
}

/** Its files, their trees, and what describes them. */
async function sealStack(
  path: string,
  files: readonly StackFile[],
  options: Parameters<typeof sealFiles>[1],
): Promise<readonly SealedFile[]> {
  const all = files.flatMap(({ file, fsverity, hashFile = file }) => [
    { path: join(path, file), fsverity },
    ...(hashFile === file ? [] : [{ path: join(path, hashFile) }]),
  ]);
  return await sealFiles([...all, { path: join(path, manifestName) }], options);
}
