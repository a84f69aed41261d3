import { join } from 'node:path';
import type { Driver, DriverName, Support } from './driver/driver.ts';
import { drivers } from './driver/index.ts';
import { SnapshotError } from './error.ts';

/** What was found out about a driver. */
export interface DriverTrial {
  readonly driver: DriverName;
  readonly support: Support;
}

/** Which driver it is to be, and why. */
export interface DriverChoice {
  readonly driver: DriverName;
  /** One sentence for people. */
  readonly why: string;
  /** Better ones that cannot be used, best first. */
  readonly passed: readonly DriverTrial[];
  /** True where each snapshot is a copy of its parent: slow, and large. */
  readonly copies: boolean;
}

/**
 * In the order in which they are taken if nobody says: the kernel's overlay, which needs nothing but directories; then the one in user space; then what
 * a filesystem does by itself; copies come last. The others change what is on disk, and are for those who ask for them.
 */
const preferences = ['overlayfs', 'fuse-overlayfs', 'btrfs', 'native'] as const satisfies DriverName[];

/** Where a driver keeps its snapshots. */
export function driverRoot(root: string, driver: DriverName): string {
  return join(root, 'snapshots', driver);
}

/** Tries the drivers in their order until one can be used; each trial takes some milliseconds. */
export async function chooseDriver(root: string): Promise<DriverChoice> {
  const passed: DriverTrial[] = [];
  for (const driver of preferences) {
    const support = await tryDriver(root, driver);
    if (!support.usable) {
      passed.push({ driver, support });
      continue;
    }
    const why =
      passed.length === 0
        ? `${driver}: the first choice, and it works here`
        : `${driver}: the best that works here; not ${passed.map(each => each.driver).join(', ')}`;
    return { driver, why, passed, copies: driver === 'native' };
  }
  throw new SnapshotError('unsupported', `no driver can keep snapshots in ${root}`, {
    detail: { root, passed },
    hint: 'shale doctor says what each of them lacks',
  });
}

/** Whether a driver can be used in this root. One that Shale does not have, `unsupported`. */
export async function tryDriver(
  root: string,
  driver: DriverName,
  settings: Readonly<Record<string, string>> = {},
): Promise<Support> {
  try {
    return await drivers[driver].probe({ root: driverRoot(root, driver), settings });
  } catch (error) {
    return { usable: false, reason: (error as Error).message, hint: `see ${root}` };
  }
}

/** Opens a driver that must be usable: SnapshotError `unsupported` with what it lacks. */
export async function openDriver(
  root: string,
  driver: DriverName,
  settings: Readonly<Record<string, string>> = {},
): Promise<Driver> {
  return await drivers[driver].open({ root: driverRoot(root, driver), settings });
}
