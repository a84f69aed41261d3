import { ShaleError } from '../../error/index.ts';
import type { Snapshots } from '../../snapshot/index.ts';

/** Whether a snapshot is not there: as a rule because another process has removed it meanwhile. */
export function isGone(error: unknown): boolean {
  return error instanceof ShaleError && error.code === 'not-found';
}

export async function isThere(snapshots: Snapshots, key: string): Promise<boolean> {
  try {
    await snapshots.stat(key);
    return true;
  } catch (error) {
    passIfGone(error);
    return false;
  }
}

/** For `catch`, of removing: somebody else has done it. */
export function passIfGone(error: unknown): void {
  if (!isGone(error)) throw error;
}
