import { openStore } from '../../store/index.ts';
import { findRendered, type WantedLayer } from '../snapshot/rendered.ts';
import type { Served } from './open.ts';

/** Layers that the cache has already, for whoever is about to unpack them. */
export interface RenderedLayers extends AsyncDisposable {
  /** Makes a committed snapshot of one; false if the cache does not have it. */
  find(wanted: WantedLayer): Promise<boolean>;
}

/** Opens the cache of this data root; the usual one if absent. */
export async function openRendered(
  { snapshots }: Served,
  { root }: { readonly root?: string | undefined },
): Promise<RenderedLayers> {
  const store = await openStore({ root });
  return {
    find: wanted => findRendered(snapshots, store, wanted),
    async [Symbol.asyncDispose]() {
      store[Symbol.dispose]();
    },
  };
}
