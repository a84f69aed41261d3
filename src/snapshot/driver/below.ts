import type { Mount } from '../mount.ts';
import { openMounts } from '../mounting.ts';

/**
 * Calls `describe` with the directory of what is below a snapshot: a path as it stands, or mounts, which are mounted for this process
 * until what it returns is disposed.
 */
export async function withLower<T extends object>(
  below: readonly Mount[] | string | undefined,
  scratch: string,
  describe: (lower: string | undefined) => T,
): Promise<T & AsyncDisposable> {
  if (below === undefined || typeof below === 'string') {
    return { ...describe(below), async [Symbol.asyncDispose]() {} };
  }
  const mounted = await openMounts(below, scratch);
  return {
    ...describe(mounted.path),
    async [Symbol.asyncDispose]() {
      mounted[Symbol.dispose]();
    },
  };
}
