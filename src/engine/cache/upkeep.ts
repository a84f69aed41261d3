import { findDataRoot } from '../../host/index.ts';
import type { FsckOptions, FsckReport, GcOptions, GcReport, UsageReport } from '../../store/index.ts';
import type { RegistryOptions } from '../options.ts';
import { collectUnpacked, measureSnapshots, type UnpackedItem } from '../snapshot/gc.ts';
import { openCache, type UpkeepOptions } from './options.ts';
import { Refetcher } from './refetch.ts';

/** What went and what stays, snapshots of unpacked layers included. */
export interface GarbageReport {
  readonly removed: readonly (GcReport['removed'][number] | UnpackedItem)[];
  readonly kept: readonly (GcReport['kept'][number] | UnpackedItem)[];
  /** The sum of what was, or under `dryRun` would be, removed. */
  readonly freedBytes: number;
}

/** Removes what no image needs, and says of everything why it goes or stays. */
export async function collectGarbage(options: UpkeepOptions & GcOptions = {}): Promise<GarbageReport> {
  using store = await openCache(options);
  const { removed, kept, freedBytes } = store.collectGarbage(options);
  const { root = findDataRoot(), dryRun, olderThan } = options;
  const unpacked = await collectUnpacked(root, store.images(), { dryRun, olderThan });
  return {
    removed: [...removed, ...unpacked.removed],
    kept: [...kept, ...unpacked.kept],
    freedBytes: unpacked.removed.reduce((sum, { bytes }) => sum + bytes, freedBytes),
  };
}

export interface CheckOptions extends UpkeepOptions, RegistryOptions {
  /** Drops what is damaged, mends what can be derived, and fetches again what images lack. */
  readonly repair?: boolean | undefined;
  /** Bytes that were read, of those that are to be read. */
  readonly onProgress?: FsckOptions['onProgress'];
}

/** Reads all of the cache and compares it with its digests; with `repair`, mends what can be mended. */
export async function checkCache(options: CheckOptions = {}): Promise<FsckReport> {
  const { repair, signal, onProgress } = options;
  using store = await openCache(options);
  await using refetcher = new Refetcher(store, options);
  const refetch = refetcher.refetch.bind(refetcher);
  return await store.check({ repair, signal, onProgress, refetch });
}

/** What the disk is taken by, snapshots included. */
export interface DiskUsageReport extends Omit<UsageReport, 'rows'> {
  readonly rows: readonly (Omit<UsageReport['rows'][number], 'kind'> & { readonly kind: string })[];
}

/** What takes the room, and how much of it could be freed. */
export async function diskUsage(options: UpkeepOptions = {}): Promise<DiskUsageReport> {
  using store = await openCache(options);
  const { root = findDataRoot() } = options;
  const report = store.measureUsage();
  const snapshots = await measureSnapshots(root, store.images());
  return { ...report, rows: [...report.rows, { kind: 'snapshots', ...snapshots }] };
}
