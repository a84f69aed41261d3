import { SlabPool } from '../bytes/pool/index.ts';
import type { Warnings } from '../error/index.ts';
import { throwIfAborted } from '../host/index.ts';
import type { LayerLimits } from '../layer/index.ts';
import { DataPass, type LayerProgress, type ReadLayer } from './data-pass.ts';
import type { IngestRequest } from './ingest/protocol.ts';
import type { LayerSource } from './layer-source.ts';
import { Workbench, type WorkbenchOptions } from './workbench.ts';

/** What a thread writes of the layer that it reads: its contents, or its tar. */
export type LayerKeep = Pick<IngestRequest, 'extract' | 'tee'>;

export interface ReadLayersOptions extends WorkbenchOptions {
  readonly limits: LayerLimits;
  readonly warnings: Warnings;
  /** Whether the sha256 of every file's content is wanted. */
  readonly digests?: boolean;
  /** Layers that need not be read, by their positions: what an earlier reading, under no looser limits, has given. */
  readonly known?: readonly (ReadLayer | undefined)[];
  /** Of layers that are to be kept in files: how, and where. */
  readonly keep?: readonly (LayerKeep | undefined)[];
  /** Told how far the file is written that a layer is kept in, in bytes. */
  readonly onKept?: LayerProgress;
  /** Told of each layer, oldest first, known ones too; what it returns is waited for at the end, and its failure ends all. */
  readonly onRead?: (layer: number, read: ReadLayer) => Promise<void>;
  readonly onProgress?: LayerProgress;
}

/** Reads and verifies all layers (oldest first), for their indexes and for what `keep` and `onRead` make of them. */
export async function readLayers(
  layers: readonly LayerSource[],
  options: ReadLayersOptions,
): Promise<readonly ReadLayer[]> {
  const { limits, warnings, digests = false, known = [], keep = [], onRead } = options;
  const { onProgress = () => {}, onKept } = options;
  const unknown = layers.filter((_, layer) => known[layer] === undefined);
  if (unknown.length === 0) return await recallLayers(known as readonly ReadLayer[], options);
  await using bench = new Workbench({ ...options, layers: unknown.length, outputs: 0 });
  const { slabs, ingest, check, fail } = bench;
  const pass = new DataPass({
    ...{ slabs, limits, warnings, onProgress, onKept, check },
    ...{ sinks: [], first: true, firstId: 0 },
  });
  const readings = layers.map((source, layer) => {
    if (known[layer] !== undefined) return known[layer];
    const { digest, diffId } = source;
    const request = { kind: 'layer', layer, digest, diffId, limits, data: false, digests } as const;
    return ingest.read({ ...request, ...keep[layer], strict: warnings.strict }, source.locate());
  });
  const read = async (): Promise<ReadLayer[]> => {
    const results: ReadLayer[] = [];
    const uses: Promise<void>[] = [];
    for (const [layer, reading] of readings.entries()) {
      if ('next' in reading) {
        results.push(await pass.read(reading, wantsNothing, takesNothing));
        layers[layer]!.verified?.();
      } else {
        pass.recall(reading);
        results.push(reading);
      }
      if (onRead === undefined) continue;
      const use = onRead(layer, results[layer]!);
      use.catch(fail);
      uses.push(use);
    }
    await Promise.all(uses);
    return results;
  };
  return await bench.race(read());
}

/** Layers of which nothing has to be read take no thread. */
async function recallLayers(
  known: readonly ReadLayer[],
  { limits, warnings, signal, onRead }: ReadLayersOptions,
): Promise<readonly ReadLayer[]> {
  throwIfAborted(signal);
  const slabs = new SlabPool(0);
  const check = () => {};
  const pass = new DataPass({
    ...{ slabs, limits, warnings, check, onProgress: check },
    ...{ sinks: [], first: true, firstId: 0 },
  });
  for (const layer of known) pass.recall(layer);
  await Promise.all(known.map(async (layer, position) => await onRead?.(position, layer)));
  return known;
}

const wantsNothing = () => false;
const takesNothing = () => {};
