import { warnOfXattrs } from '../erofs/xattr-writer.ts';
import { ShaleError, Warnings } from '../error/index.ts';
import { type Content, merge } from '../merge/index.ts';
import type { ReadLayer } from '../render/index.ts';
import type { Tree } from '../tree/index.ts';
import { copyArtifact, findArtifacts } from './artifact.ts';
import { type IntegrityRequest, OutputHashing } from './integrity/index.ts';
import { findIndexes } from './layer-index.ts';
import { indexImage } from './layers.ts';
import { type ImageOptions, summarise } from './options.ts';
import { checkApart, type OutputFormat, type OutputRequest, resolveTarget } from './output.ts';
import { describeImage, modificationTime, type RenderResult, warnIfClamped } from './result.ts';
import type { OpenedImage } from './source.ts';

/** An image as it would be rendered, in these formats: under the caller's limits, with all of its warnings. Reads what has no index. */
export async function recallImage(
  opened: OpenedImage,
  options: ImageOptions,
  formats: readonly OutputFormat[],
): Promise<{ readonly layers: readonly ReadLayer[]; readonly tree: Tree<Content> }> {
  const { created, warnings, limits } = opened;
  warnIfClamped(created, warnings);
  const { layers } = await indexImage(opened, options);
  const tree = merge(layers, { created, warnings, limits });
  if (formats.includes('erofs')) warnOfXattrs(tree.nodes, warnings);
  return { layers, tree };
}

/**
 * Copies what is asked for out of the cache, if it has every artifact and an index of every layer: then limits and
 * warnings hold as if the image were rendered. Undefined if something is missing or damaged.
 */
export async function reuseArtifacts(
  opened: OpenedImage,
  outputs: readonly OutputRequest[],
  options: ImageOptions & IntegrityRequest,
): Promise<RenderResult | undefined> {
  const { image, pulled, limits, signal } = opened;
  if (pulled === undefined) return undefined;
  const time = modificationTime(opened.created);
  const targets = outputs.map(output => resolveTarget(output, time));
  const artifacts = findArtifacts(pulled.store, pulled.image.manifestDigest, targets);
  if (artifacts === undefined) return undefined;
  if (findIndexes(pulled.store, image.layers, limits).includes(undefined)) return undefined;
  // Of its own: should the artifact be damaged, all is heard again.
  const warnings = new Warnings({ strict: opened.warnings.strict });
  const { layers, tree } = await recallImage(
    { ...opened, warnings },
    options,
    targets.map(({ format }) => format),
  );
  checkApart(outputs);
  await using hashing = new OutputHashing(options, { jobs: options.jobs, signal, warnings });
  try {
    const copied = [];
    for (const [artifact, target] of artifacts) {
      copied.push(await copyArtifact(artifact, target, signal, hashing));
    }
    return {
      outputs: await hashing.finish(copied),
      image: describeImage(image, layers),
      inodes: tree.nodes.length,
      reused: true,
      layersReadAgain: 0,
      warnings: summarise(warnings),
    };
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'corrupt') return undefined;
    throw error;
  }
}
