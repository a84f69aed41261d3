import type { FsckOptions, FsckReport, GcOptions, GcReport, UsageReport } from '../../store/index.ts';
import { type CacheOptions, openCache } from './options.ts';

/** Removes what no image needs, and says of everything why it goes or stays. */
export async function collectGarbage(options: CacheOptions & GcOptions = {}): Promise<GcReport> {
  using store = await openCache(options);
  return store.collectGarbage(options);
}

/** Reads all of the cache and compares it with its digests; with `repair`, mends what can be mended. */
export async function checkCache(options: CacheOptions & FsckOptions = {}): Promise<FsckReport> {
  using store = await openCache(options);
  return await store.check(options);
}

/** What takes the room, and how much of it could be freed. */
export async function diskUsage(options: CacheOptions = {}): Promise<UsageReport> {
  using store = await openCache(options);
  return store.measureUsage();
}
