import { ShaleError } from '../../error/index.ts';
import { chainIds, type Digest } from '../../oci/index.ts';
import type { SnapshotInfo, Snapshots } from '../../snapshot/index.ts';
import { isGone } from './gone.ts';
import { labels } from './label.ts';
import { openIfUsable } from './mounted.ts';
import { usedDrivers } from './open.ts';
import { clearUnfinished } from './unpack.ts';

/** A layer that was unpacked into a snapshot. */
export interface UnpackedItem {
  readonly kind: 'snapshot';
  /** The driver, and its chainID. */
  readonly name: string;
  /** What it takes, or took, on the disk. */
  readonly bytes: number;
  readonly reason: string;
}

export interface UnpackedReport {
  readonly removed: readonly UnpackedItem[];
  readonly kept: readonly UnpackedItem[];
}

/** What was used within so many milliseconds stays: somebody may be unpacking onto it. */
const youth = 3_600_000;

/**
 * Removes unpacked layers that no image of the cache has and nothing is based on. Snapshots that Shale has not made of an image by itself, those of containerd
 * and of a user's own among them, are left alone.
 */
export async function collectUnpacked(
  root: string,
  images: readonly { readonly layers: readonly { readonly diffId: Digest }[] }[],
  {
    dryRun = false,
    olderThan = 0,
  }: { readonly dryRun?: boolean | undefined; readonly olderThan?: number | undefined } = {},
): Promise<UnpackedReport> {
  const wanted = new Set<string>(
    images.flatMap(({ layers }) => chainIds(layers.map(({ diffId }) => diffId))),
  );
  const [removed, kept]: [UnpackedItem[], UnpackedItem[]] = [[], []];
  for (const driver of usedDrivers(root)) {
    await using snapshots = await openIfUsable(root, driver);
    if (snapshots === undefined) continue;
    if (!dryRun) await clearUnfinished(snapshots);
    const all: SnapshotInfo[] = [];
    for await (const info of snapshots.walk()) all.push(info);
    const parents = new Map<string, number>();
    for (const { parent } of all)
      if (parent !== undefined) parents.set(parent, (parents.get(parent) ?? 0) + 1);
    // Children come before their parents, so that a chain goes as a whole.
    for (const info of all.reverse()) {
      if (!isUnpacked(info)) continue;
      const { key, parent, updated } = info;
      const bytes = await measure(snapshots, key);
      if (bytes === undefined) continue;
      const item = { kind: 'snapshot' as const, name: `${driver} ${key}`, bytes };
      const reason = wanted.has(key)
        ? 'of an image'
        : (parents.get(key) ?? 0) > 0
          ? 'others are based on it'
          : updated > Date.now() - Math.max(youth, olderThan)
            ? 'made or used just now'
            : undefined;
      if (reason !== undefined) kept.push({ ...item, reason });
      else if (dryRun || (await remove(snapshots, key))) {
        removed.push({ ...item, reason: 'of no image' });
        if (parent !== undefined) parents.set(parent, parents.get(parent)! - 1);
      }
    }
  }
  return { removed, kept };
}

/** What the snapshots of all drivers take, each without what is below it. Those that are being written to are measured now. */
export async function measureSnapshots(
  root: string,
  images: readonly { readonly layers: readonly { readonly diffId: Digest }[] }[],
): Promise<{ readonly count: number; readonly bytes: number; readonly reclaimable: number }> {
  let [count, bytes] = [0, 0];
  for (const driver of usedDrivers(root)) {
    await using snapshots = await openIfUsable(root, driver);
    if (snapshots === undefined) continue;
    for await (const { key } of snapshots.walk()) {
      const size = await measure(snapshots, key);
      if (size === undefined) continue;
      count += 1;
      bytes += size;
    }
  }
  const { removed } = await collectUnpacked(root, images, { dryRun: true });
  return { count, bytes, reclaimable: removed.reduce((sum, item) => sum + item.bytes, 0) };
}

function isUnpacked({ key, kind, labels: all }: SnapshotInfo): boolean {
  return kind === 'committed' && all[labels.diffId] !== undefined && /^sha256:[0-9a-f]{64}$/.test(key);
}

/** In bytes; `undefined` of one that somebody has removed meanwhile. */
async function measure(snapshots: Snapshots, key: string): Promise<number | undefined> {
  try {
    return (await snapshots.usage(key)).size;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** False if somebody has begun to use it meanwhile, or has removed it. */
async function remove(snapshots: Snapshots, key: string): Promise<boolean> {
  try {
    await snapshots.remove(key);
    return true;
  } catch (error) {
    if (isGone(error) || (error instanceof ShaleError && error.code === 'conflict')) return false;
    throw error;
  }
}
