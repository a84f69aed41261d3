import { parseMetricsAddress, serve } from '../../daemon/index.ts';
import type { Invocation } from '../command/index.ts';
import { readLimits } from '../image-options.ts';
import { createLog } from '../log.ts';
import { readPairs } from '../snapshot/options.ts';

/** In milliseconds. */
const usualGrace = 30_000;

export async function run({ values, signal }: Invocation): Promise<number> {
  const { address, root, driver, metrics, 'log-format': format, 'log-level': level = 'info' } = values;
  await serve({
    ...{ address, root, driver },
    settings: readPairs(values['driver-option'], '--driver-option', 'serve'),
    containerd: values['containerd-address'] ?? '/run/containerd/containerd.sock',
    limits: readLimits(values),
    cache: values['no-cache'] !== true,
    metrics: metrics === undefined ? undefined : parseMetricsAddress(metrics),
    grace: values['stop-timeout'] ?? usualGrace,
    log: createLog({ format, level }),
    signal,
  });
  return 0;
}
