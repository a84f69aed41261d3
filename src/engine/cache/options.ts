import { openStore, type Store } from '../../store/index.ts';

/** Options of every operation on the cache. */
export interface CacheOptions {
  /** Its directory; the user's own if absent: SHALE_ROOT, /var/lib/shale for root, else in $XDG_DATA_HOME. */
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The cache of the options, open; to be disposed. */
export async function openCache({ root, signal }: CacheOptions): Promise<Store> {
  return await openStore({ root, signal });
}
