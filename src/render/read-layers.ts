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
  /** Layers that need not be read, by their positions: what an earlier reading, under no looser limits, has given. */
  readonly known?: readonly (ReadLayer | undefined)[];
  readonly onProgress?: LayerProgress;
}

/** Reads and verifies all layers (oldest first) for their indexes alone. */
export async function readLayers(
  layers: readonly LayerSource[],
  options: ReadLayersOptions,
): Promise<readonly ReadLayer[]> {
  const { limits, warnings, digests = false, known = [], onProgress = () => {} } = options;
  const unknown = layers.filter((_, layer) => known[layer] === undefined);
  await using bench = new Workbench({ ...options, layers: unknown.length, outputs: 0 });
  const { slabs, ingest, check } = bench;
  const pass = new DataPass({
    ...{ slabs, limits, warnings, onProgress, check },
    ...{ sinks: [], first: true, firstId: 0 },
  });
  const readings = layers.map((source, layer) => {
    if (known[layer] !== undefined) return known[layer];
    const { digest, diffId } = source;
    const request = { kind: 'layer', layer, digest, diffId, limits, data: false, digests } as const;
    return ingest.read({ ...request, strict: warnings.strict }, source.locate());
  });
  const read = async (): Promise<ReadLayer[]> => {
    const results: ReadLayer[] = [];
    for (const [layer, reading] of readings.entries()) {
      if (!('next' in reading)) {
        pass.recall(reading);
        results.push(reading);
        continue;
      }
      results.push(await pass.read(reading, wantsNothing, takesNothing));
      layers[layer]!.verified?.();
    }
    return results;
  };
  return await bench.race(read());
}

const wantsNothing = () => false;
const takesNothing = () => {};
