import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ShaleError } from '../../error/index.ts';

/**
 * Starts a thread from a module beside the caller's. `name` has no extension: the checkout runs `.ts`, the
 * published package `.js`. The young generation is kept small, for a pool of threads shares one memory budget. The
 * thread uses the compile cache that this one uses: without it each would hold a TypeScript stripper of its own.
 * `died` is called when the thread fails and when it ends, so also after `terminate`.
 */
export function startThread(
  base: string,
  name: string,
  workerData: unknown,
  died: (error: ShaleError) => void,
): Worker {
  const url = new URL(`${name}${base.endsWith('.ts') ? '.ts' : '.js'}`, base);
  const cache = getCompileCacheDir();
  const worker = new Worker(url, {
    workerData,
    env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
    stdin: false,
  });
  worker.on('error', cause => died(new ShaleError('internal', `the thread ${name} died`, { cause })));
  worker.on('exit', code => died(new ShaleError('internal', `the thread ${name} ended with status ${code}`)));
  return worker;
}
