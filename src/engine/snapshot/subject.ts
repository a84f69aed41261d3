import { realpathSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import type { Snapshots } from '../../snapshot/index.ts';
import { findMounted, openUsed } from './mounted.ts';
import { usedDrivers } from './open.ts';

/** A snapshot that a user has named, by its key or by the directory that it is mounted at. */
export interface Subject extends AsyncDisposable {
  readonly snapshots: Snapshots;
  readonly key: string;
}

/** Finds it among the snapshots of all drivers; `undefined` if there is none. */
export async function findSubject(root: string, name: string): Promise<Subject | undefined> {
  const target = realPath(name);
  const mounted = (await findMounted(root)).findLast(each => each.target === target);
  const key = mounted?.snapshot ?? name;
  for (const driver of mounted === undefined ? usedDrivers(root) : [mounted.driver]) {
    const snapshots = await openUsed(root, driver);
    if (await has(snapshots, key)) {
      return { snapshots, key, [Symbol.asyncDispose]: () => snapshots.close() };
    }
    await snapshots.close();
  }
  return undefined;
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

async function has(snapshots: Snapshots, key: string): Promise<boolean> {
  try {
    await snapshots.stat(key);
    return true;
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'not-found') return false;
    throw error;
  }
}

function realPath(name: string): string | undefined {
  try {
    return realpathSync(name);
  } catch {
    return undefined;
  }
}
