import { existsSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import { findDataRoot } from '../../host/index.ts';
import {
  chooseDriver,
  type DriverChoice,
  type DriverName,
  driverNames,
  driverRoot,
  openDriver,
  Snapshots,
  tryDriver,
} from '../../snapshot/index.ts';

/** Where snapshots are, and which driver keeps them. */
export interface SnapshotterOptions {
  /** The data root; the usual one if absent. */
  readonly root?: string | undefined;
  /** Chosen by trying if absent. */
  readonly driver?: DriverName | undefined;
  /** The driver's own settings. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Told which driver was chosen, where nobody named one. */
  readonly onChoice?: ((choice: DriverChoice) => void) | undefined;
}

/** Opens the snapshots of a driver. */
export async function openSnapshots(options: SnapshotterOptions = {}): Promise<Snapshots> {
  const { root = findDataRoot(), settings } = options;
  let { driver } = options;
  if (driver === undefined) {
    const choice = await chooseDriver(root);
    options.onChoice?.(choice);
    driver = choice.driver;
  } else await requireUsable(root, driver, settings);
  return await Snapshots.open(driverRoot(root, driver), await openDriver(root, driver, settings));
}

/** Said before anything is made: midway a driver could only say what has failed. */
async function requireUsable(
  root: string,
  driver: DriverName,
  settings: SnapshotterOptions['settings'],
): Promise<void> {
  const support = await tryDriver(root, driver, settings);
  if (support.usable) return;
  throw new ShaleError('unsupported', `the driver ${driver} cannot be used: ${support.reason}`, {
    detail: { driver },
    hint: support.hint,
  });
}

/** The drivers that have snapshots in this root, so that a command finds what another one made with whichever. */
export function usedDrivers(root: string): DriverName[] {
  return driverNames.filter(driver => existsSync(`${driverRoot(root, driver)}/metadata.db`));
}

/** The word for a driver that a user gave. ShaleError `invalid`. */
export function parseDriver(name: string): DriverName {
  const found = driverNames.find(each => each === name || aliases[name] === each);
  if (found !== undefined) return found;
  throw new ShaleError('invalid', `there is no driver ${JSON.stringify(name)}`, {
    detail: { driver: name },
    hint: `it is one of: ${driverNames.join(', ')}`,
  });
}

/** Names that other tools have for the same. */
const aliases: Readonly<Record<string, DriverName>> = {
  overlay: 'overlayfs',
  overlay2: 'overlayfs',
  vfs: 'native',
  copy: 'native',
  fuse: 'fuse-overlayfs',
  'device-mapper': 'devmapper',
};
