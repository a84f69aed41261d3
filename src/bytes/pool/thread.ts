import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread from a module beside the caller's. `name` has no extension: the checkout runs `.ts`, the
 * published package `.js`. The young generation is kept small, for a pool of threads shares one memory budget. The
 * thread uses the compile cache that this one uses: without it each would hold a TypeScript stripper of its own.
 */
export function startThread(base: string, name: string, workerData: unknown): Worker {
  const url = new URL(`${name}${base.endsWith('.ts') ? '.ts' : '.js'}`, base);
  const cache = getCompileCacheDir();
  return new Worker(url, {
    workerData,
    env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
    stdin: false,
  });
}
