import type { Warnings } from '../error/index.ts';
import type { LayerLimits } from '../layer/index.ts';
import { DataPass, type LayerProgress, type ReadLayer } from './data-pass.ts';
import type { LayerSource } from './layer-source.ts';
import { Workbench, type WorkbenchOptions } from './workbench.ts';

export interface ReadLayersOptions extends WorkbenchOptions {
  readonly limits: LayerLimits;
  readonly warnings: Warnings;
  /** Whether the sha256 of every file's content is wanted. */
  readonly digests?: boolean;
  readonly onProgress?: LayerProgress;
}

/** Reads and verifies all layers (oldest first) for their indexes alone. */
export async function readLayers(
  layers: readonly LayerSource[],
  options: ReadLayersOptions,
): Promise<readonly ReadLayer[]> {
  const { limits, warnings, digests = false, onProgress = () => {} } = options;
  await using bench = new Workbench({ ...options, layers: layers.length, outputs: 0 });
  const { slabs, ingest, check } = bench;
  const pass = new DataPass({
    slabs,
    sinks: [],
    limits,
    warnings,
    onProgress,
    check,
    first: true,
    firstId: 0,
  });
  const readings = layers.map((source, layer) => {
    const { digest, diffId } = source;
    const request = { kind: 'layer', layer, digest, diffId, limits, data: false, digests } as const;
    return ingest.read({ ...request, strict: warnings.strict }, source.locate());
  });
  const read = async (): Promise<ReadLayer[]> => {
    const results: ReadLayer[] = [];
    for (const reading of readings) {
      results.push(
        await pass.read(
          reading,
          () => false,
          () => {},
        ),
      );
      layers[reading.layer]!.verified?.();
    }
    return results;
  };
  return await bench.race(read());
}
