import { ShaleError } from '../../error/index.ts';
import { findDataRoot } from '../../host/index.ts';
import {
  type DriverName,
  driverRoot,
  openDriver,
  type SnapshotInfo,
  Snapshots,
} from '../../snapshot/index.ts';
import { labels } from './label.ts';
import { findMountState, type MountState } from './mount-state.ts';
import { usedDrivers } from './open.ts';

/** What `shale mount` has mounted, or has left. */
export interface MountedImage {
  readonly target: string;
  readonly image: string;
  readonly snapshot: string;
  readonly driver: DriverName;
  readonly mode: 'rw' | 'ro';
  readonly upper?: string | undefined;
  readonly state: MountState;
  /** ISO 8601. */
  readonly created: string;
}

/** All that is mounted, and what is left of what was, of every driver; the oldest first. */
export async function findMounted(root: string = findDataRoot()): Promise<MountedImage[]> {
  const found: MountedImage[] = [];
  for (const driver of usedDrivers(root)) {
    for (const info of Snapshots.list(driverRoot(root, driver))) {
      const mounted = describe(driver, info);
      if (mounted !== undefined) found.push(mounted);
    }
  }
  return found.sort((a, b) => (a.created < b.created ? -1 : 1));
}

/** The snapshots of a driver that has been used before. */
export async function openUsed(root: string, driver: DriverName): Promise<Snapshots> {
  return await Snapshots.open(driverRoot(root, driver), await openDriver(root, driver));
}

/** The same; `undefined` if the driver cannot be used here any more, for lack of a program or a filesystem. */
export async function openIfUsable(root: string, driver: DriverName): Promise<Snapshots | undefined> {
  try {
    return await openUsed(root, driver);
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'unsupported') return undefined;
    throw error;
  }
}

function describe(
  driver: DriverName,
  { key, kind, labels: all, created }: SnapshotInfo,
): MountedImage | undefined {
  const target = all[labels.target];
  if (target === undefined || kind === 'committed') return undefined;
  return {
    ...{ target, driver, snapshot: key },
    image: all[labels.image] ?? '',
    mode: all[labels.mode] === 'ro' ? 'ro' : 'rw',
    ...(all[labels.upper] !== undefined && { upper: all[labels.upper] }),
    state: findMountState(all, target),
    created: new Date(created).toISOString(),
  };
}
