import { createLimits } from '../../layer/index.ts';
import { chainIds, type Digest } from '../../oci/index.ts';
import type { Labels, Snapshots } from '../../snapshot/index.ts';
import type { Store, StoredLayer } from '../../store/index.ts';
import { KeptLayers } from './kept-layers.ts';
import { LayerArchives } from './layer-archive.ts';
import { unpackLayer } from './unpack.ts';

/** A layer that somebody is about to fetch and unpack. */
export interface WantedLayer {
  /** It and all below it: OCI's chainID. Any text. */
  readonly chainId: string;
  /** The committed snapshot below. */
  readonly parent: string | undefined;
  /** What the committed snapshot is to have. */
  readonly labels: Labels;
  /** Whose it will be: each has snapshots of its own, for each removes them as it likes. */
  readonly namespace: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Makes a committed snapshot of a layer that the cache has, so that nobody has to fetch it: of one of its images the layers up to this one must have the chainID. It is
 * verified as any layer is. False if the cache does not have it, and of a layer that has others below if nobody says what its parent is.
 */
export async function findRendered(
  snapshots: Snapshots,
  store: Store,
  wanted: WantedLayer,
): Promise<boolean> {
  const { chainId, parent, namespace = 'shale', signal } = wanted;
  const layers = findLayers(store, chainId);
  const layer = layers.at(-1);
  const location = layer && store.findBlob(layer.digest, layer.size);
  if (layer === undefined || location === undefined) return false;
  // Who unpacks layers at once names the parents when it commits them; of what is there already it never would, and the layers below were lost.
  if (parent === undefined && layers.length > 1) return false;
  using lease = store.lease(`snapshot of ${layer.digest}`, [...new Set([layer.digest, layer.diffId])]);
  const { digest, size, diffId, mediaType } = layer;
  const source = { digest, size, diffId, mediaType, annotations: {}, locate: async () => location };
  const place = {
    name: `${namespace}/rendered/${chainId} on ${parent ?? 'nothing'}`,
    ...{ parent, diffId, labels: wanted.labels },
  };
  const apply = async (key: string) => {
    const limits = createLimits();
    const kept = new KeptLayers(snapshots, store, layers, limits);
    if (await kept.adopt(layers.length - 1, key, signal)) return;
    await using archives = new LayerArchives([[0, source]], { limits, signal });
    await snapshots.apply(key, archives.open(0, source), { limits, signal });
  };
  await unpackLayer(snapshots, place, apply, signal);
  lease.release();
  return true;
}

/** The layers up to that one, which is the last. */
function findLayers(store: Store, chainId: string): readonly StoredLayer[] {
  for (const { layers } of store.images()) {
    const position = chainIds(layers.map(({ diffId }) => diffId)).indexOf(chainId as Digest);
    if (position >= 0) return layers.slice(0, position + 1);
  }
  return [];
}
