import type { Warnings } from '../error/index.ts';
import { applyLayer as applyToDirectory } from '../layer/apply/index.ts';
import type { LayerLimits } from '../layer/index.ts';
import type { Timestamp } from '../tree/index.ts';
import type { Driver, DriverSnapshot } from './driver/driver.ts';

export interface LayerApplyOptions {
  readonly limits?: Partial<LayerLimits> | undefined;
  readonly warnings?: Warnings | undefined;
  /** The image's, for directories that no entry describes; the epoch if absent. */
  readonly created?: Timestamp | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Applies a layer to an active snapshot: as a whole where the driver takes it so, otherwise entry by entry. The archive is read to its end. */
export async function applyLayer(
  driver: Driver,
  snapshot: DriverSnapshot,
  archive: AsyncIterable<Uint8Array>,
  options: LayerApplyOptions,
): Promise<void> {
  if (driver.applyLayer !== undefined) {
    await driver.applyLayer(snapshot, archive, options);
    return;
  }
  await using target = await driver.openTarget(snapshot);
  const { path, form } = target;
  // One without a parent may still get one, where the driver can do that.
  const nothing = driver.canRebase && form !== 'plain' ? 'unknown' : 'nothing';
  const isAlone = snapshot.parents.length === 0;
  const below = target.below !== undefined ? { path: target.below } : isAlone ? nothing : 'unknown';
  await applyToDirectory(archive, { path, form }, { ...options, below });
}
