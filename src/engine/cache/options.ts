import { openStore, type Store } from '../../store/index.ts';
import type { CacheOptions } from '../options.ts';

/** What every operation on the cache takes. */
export type UpkeepOptions = CacheOptions & { readonly signal?: AbortSignal | undefined };

/** The cache of the options, open; to be disposed. */
export async function openCache({ root, signal }: UpkeepOptions): Promise<Store> {
  return await openStore({ root, signal, upkeep: true });
}
