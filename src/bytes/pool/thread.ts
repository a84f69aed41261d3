import { Worker } from 'node:worker_threads';

/**
 * Starts a thread from a module beside the caller's. `name` has no extension: the checkout runs `.ts`, the
 * published package `.js`. The young generation is kept small, for a pool of threads shares one memory budget.
 */
export function startThread(base: string, name: string, workerData: unknown): Worker {
  const url = new URL(`${name}${base.endsWith('.ts') ? '.ts' : '.js'}`, base);
  return new Worker(url, {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
    stdin: false,
  });
}
