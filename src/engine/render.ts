import type { Warnings } from '../error/index.ts';
import { findSourceDateEpoch } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Output, Sink } from '../render/index.ts';
import { render as renderLayers } from '../render/render.ts';
import { openSink } from '../render/target.ts';
import { type ImageOptions, openSource, summarise, type WarningSummary } from './options.ts';
import { checkApart, type OutputRequest, resolveTarget } from './output.ts';

export interface RenderResult {
  readonly outputs: readonly Output[];
  readonly image: {
    readonly manifestDigest: Digest | undefined;
    readonly configDigest: Digest;
    readonly layers: number;
    /** Bytes of the blobs, and of the layers uncompressed. */
    readonly compressedBytes: number;
    readonly uncompressedBytes: number;
  };
  /** Inodes of the result. */
  readonly inodes: number;
  /** Layers that had to be read twice (ARCHITECTURE, "The data pass"). */
  readonly layersReadAgain: number;
  readonly warnings: WarningSummary;
}

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
  options: ImageOptions = {},
): Promise<RenderResult> {
  const epoch = findSourceDateEpoch();
  // What is wrong with a request is found before the image is opened; the time it lacks is known only then.
  for (const output of outputs) resolveTarget(output, 0);
  checkApart(outputs);
  const { image, warnings, limits, created, onProgress } = await openSource(source, options);
  await using _ = image;
  const modified = clampTime((epoch ?? created).seconds, warnings);
  const targets = outputs.map(output => resolveTarget(output, modified));
  const { signal, jobs, memory } = options;
  const rendered = await renderLayers(
    image.layers,
    async bench => {
      const sinks: Sink[] = [];
      try {
        for (const target of targets)
          sinks.push(await openSink(target, bench, { warnings, signal, replace: true }));
      } catch (error) {
        for (const sink of sinks) await sink[Symbol.asyncDispose]();
        throw error;
      }
      return sinks;
    },
    {
      ...{ jobs, memory, signal, limits, warnings, created, onProgress },
      compressing: targets.filter(({ format }) => format === 'squashfs').length,
      onFinish: () => options.onProgress?.({ type: 'finish' }),
    },
  );
  return {
    outputs: rendered.outputs,
    image: {
      manifestDigest: image.manifestDigest,
      configDigest: image.configDigest,
      layers: image.layers.length,
      compressedBytes: image.layers.reduce((sum, { size }) => sum + size, 0),
      uncompressedBytes: rendered.layers.reduce((sum, { size }) => sum + size, 0),
    },
    inodes: rendered.tree.nodes.length,
    layersReadAgain: rendered.readAgain,
    warnings: summarise(warnings),
  };
}

/** Of a superblock, which has 32 bits for it. */
function clampTime(seconds: number, warnings: Warnings): number {
  const clamped = Math.min(Math.max(seconds, 0), 0xffffffff);
  if (clamped !== seconds) {
    const message = `the image's time, ${seconds} seconds after 1970, is out of squashfs's range`;
    warnings.add({ code: 'time-clamped', message });
  }
  return clamped;
}
