import { realpathSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import { type DriverName, driverRoot, Snapshots } from '../../snapshot/index.ts';
import { findMounted, openUsed } from './mounted.ts';
import { usedDrivers } from './open.ts';

/** A snapshot that a user has named, by its key or by the directory that it is mounted at. */
export interface Subject extends AsyncDisposable {
  readonly snapshots: Snapshots;
  readonly key: string;
}

/** Finds it among the snapshots of all drivers, or of one; `undefined` if there is none. */
export async function findSubject(
  root: string,
  name: string,
  { driver }: { readonly driver?: DriverName | undefined } = {},
): Promise<Subject | undefined> {
  const target = realPath(name);
  const mounted = (await findMounted(root)).findLast(each => each.target === target);
  const key = mounted?.snapshot ?? name;
  const found = (mounted === undefined ? usedDrivers(root) : [mounted.driver])
    .filter(each => driver === undefined || each === driver)
    .find(each => hasSnapshot(root, each, key));
  if (found === undefined) return undefined;
  const snapshots = await openUsed(root, found);
  return { snapshots, key, [Symbol.asyncDispose]: () => snapshots.close() };
}

/** Whether a driver has a snapshot of this key. */
export function hasSnapshot(root: string, driver: DriverName, key: string): boolean {
  return Snapshots.list(driverRoot(root, driver)).some(info => info.key === key);
}

/** The same; ShaleError `not-found` if there is none. */
export async function requireSubject(root: string, name: string): Promise<Subject> {
  const found = await findSubject(root, name);
  if (found !== undefined) return found;
  throw new ShaleError(
    'not-found',
    `there is no snapshot ${JSON.stringify(name)}, and nothing of Shale’s is mounted there`,
    {
      detail: { name },
      hint: 'shale snapshot ls lists snapshots, shale mount what is mounted',
    },
  );
}

function realPath(name: string): string | undefined {
  try {
    return realpathSync(name);
  } catch {
    return undefined;
  }
}
