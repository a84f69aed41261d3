import type { WarningReport } from '../error/index.ts';
import { ShaleError } from '../error/index.ts';
import { decodeIndex, encodeIndex, type LayerLimits } from '../layer/index.ts';
import type { Digest } from '../oci/index.ts';
import type { ReadLayer } from '../render/index.ts';
import type { Store } from '../store/index.ts';

/** What stands before the entries of a stored index, as JSON. */
interface Header {
  /** Under which the layer was read; `null` is no limit. It would not have been read under stricter ones, perhaps. */
  readonly limits: Readonly<Record<string, number | null>>;
  readonly warnings: WarningReport;
  readonly compression: string;
  readonly size: number;
}

type Layers = readonly { readonly diffId: Digest }[];

/** What the cache has of layers that were read before, under limits no looser than these. A damaged index is none. */
export function findIndexes(store: Store, layers: Layers, limits: LayerLimits): (ReadLayer | undefined)[] {
  return layers.map(({ diffId }) => {
    const bytes = store.findLayerIndex(diffId);
    return bytes === undefined ? undefined : readIndex(bytes, limits);
  });
}

/** Keeps what is not there yet. */
export async function storeIndexes(
  store: Store,
  layers: Layers,
  read: readonly ReadLayer[],
  limits: LayerLimits,
): Promise<void> {
  await Promise.all(
    layers.map(async ({ diffId }, position) => {
      const bytes = store.findLayerIndex(diffId);
      if (bytes !== undefined && readIndex(bytes, limits) !== undefined) return;
      await store.putLayerIndex(diffId, writeIndex(read[position]!, limits));
    }),
  );
}

function writeIndex({ entries, warnings, compression, size }: ReadLayer, limits: LayerLimits): Uint8Array {
  const header = Buffer.from(JSON.stringify({ limits, warnings, compression, size }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, encodeIndex({ entries })]);
}

function readIndex(bytes: Uint8Array, limits: LayerLimits): ReadLayer | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    const end = 4 + buffer.readUInt32LE(0);
    const header = JSON.parse(buffer.toString('utf8', 4, end)) as Header;
    const isLooser = Object.entries(limits).every(([name, limit]) => {
      const then = header.limits[name];
      return then === undefined ? false : limit >= (then ?? Number.POSITIVE_INFINITY);
    });
    if (!isLooser) return undefined;
    const { warnings, compression, size } = header;
    return { ...decodeIndex(buffer.subarray(end)), digests: new Uint8Array(), warnings, compression, size };
  } catch (error) {
    // Another version's, or damaged: it is made anew.
    if (error instanceof ShaleError || error instanceof SyntaxError || error instanceof RangeError)
      return undefined;
    throw error;
  }
}
