import type { Sink } from '../render/index.ts';
import { render as renderLayers } from '../render/render.ts';
import { hasBlockThreads, openSink } from '../render/target.ts';
import { imageIdentity } from './image-identity.ts';
import { checkIntegrity, type IntegrityRequest, OutputHashing } from './integrity/index.ts';
import { storeIndexes } from './layer-index.ts';
import { type ImageOptions, summarise } from './options.ts';
import { checkApart, type OutputRequest, resolveTarget } from './output.ts';
import { describeImage, modificationTime, type RenderResult, warnIfClamped } from './result.ts';
import { reuseArtifacts } from './reuse.ts';
import { type OpenedImage, withSource } from './source.ts';

export type { RenderResult } from './result.ts';

/**
 * Renders an image into one artifact or several, from one decompression. Every digest and size is verified on the way. Each
 * artifact appears whole or not at all, and none before all are complete: on a failure up to then, abort included, none is
 * left, and what stood at an artifact's place before stands there still.
 *
 *     await render('oci:./layout:latest', [{ path: 'root.sqfs' }, { path: 'root.tar' }]);
 */
export async function render(
  source: string,
  outputs: readonly OutputRequest[],
  options: ImageOptions & IntegrityRequest = {},
): Promise<RenderResult> {
  // What is wrong with a request is found before the image is opened; the time it lacks is known only then.
  for (const output of outputs) resolveTarget(output, 0);
  checkApart(outputs);
  checkIntegrity(outputs, options);
  return await withSource(
    source,
    options,
    async opened =>
      (await reuseArtifacts(opened, outputs, options)) ?? (await renderImage(opened, outputs, options)),
  );
}

/** Renders an image that is open: what `render` does, for whoever opens it himself. */
export async function renderImage(
  opened: OpenedImage,
  outputs: readonly OutputRequest[],
  options: ImageOptions & IntegrityRequest & { readonly measure?: boolean },
): Promise<RenderResult> {
  const { image, warnings, limits, created, onProgress, signal, pulled } = opened;
  const modified = modificationTime(created);
  warnIfClamped(created, warnings);
  const identity = imageIdentity(image.layers);
  const targets = outputs.map(output => resolveTarget(output, modified, identity));
  const { jobs, memory, measure } = options;
  await using hashing = new OutputHashing(options, { jobs, signal, warnings });
  const rendered = await renderLayers(
    image.layers,
    async bench => {
      const sinks: Sink[] = [];
      try {
        for (const target of targets)
          sinks.push(
            await openSink(target, bench, {
              ...{ warnings, signal, replace: true, measure },
              opened: file => hashing.open(target.format, file),
            }),
          );
      } catch (error) {
        for (const sink of sinks) await sink[Symbol.asyncDispose]();
        throw error;
      }
      return sinks;
    },
    {
      ...{ jobs, memory, signal, limits, warnings, created, onProgress },
      followers: measure === true ? targets.length : 0,
      compressing: targets.filter(hasBlockThreads).length,
      onFinish: () => options.onProgress?.({ type: 'finish' }),
      onComplete: () => hashing.complete(),
    },
  );
  if (pulled !== undefined) await storeIndexes(pulled.store, image.layers, rendered.layers, limits);
  return {
    outputs: await hashing.finish(rendered.outputs),
    image: describeImage(image, rendered.layers),
    inodes: rendered.tree.nodes.length,
    reused: false,
    layersReadAgain: rendered.readAgain,
    warnings: summarise(warnings),
  };
}
