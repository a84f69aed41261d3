import { isAbsolute, join, resolve } from 'node:path';
import type { LayerLimits } from '../engine/limits.ts';
import { openServed, type Served, type ServedOptions } from '../engine/serve/open.ts';
import { openRendered } from '../engine/serve/rendered.ts';
import { findRuntimeRoot, findWatchdogInterval, notifyServiceManager, takeListeners } from '../host/index.ts';
import { ContainerdDiffer } from './containerd-differ.ts';
import { DaemonError } from './error.ts';
import type { ListenAddress } from './listen.ts';
import type { Log } from './log.ts';
import type { MetricsAddress } from './metrics/server.ts';
import { start } from './start.ts';
import { asShaleError } from './status.ts';

export interface ServeOptions extends ServedOptions {
  /** Where the socket is to be; if absent a service manager's, else the usual place. */
  readonly address?: string | undefined;
  /** The path of containerd's socket, whose content store the diff service reads and writes. It need not be there yet. */
  readonly containerd: string;
  readonly limits?: Partial<LayerLimits> | undefined;
  /** Whether layers that the cache has come from there. */
  readonly cache: boolean;
  readonly metrics?: MetricsAddress | undefined;
  /** How long calls may go on when the daemon stops, in milliseconds. */
  readonly grace: number;
  readonly log: Log;
  /** Aborting it stops the daemon. */
  readonly signal: AbortSignal;
}

/** Serves until the signal is aborted, and all that was being worked on has ended. Rejects if it cannot start, with nothing left. */
export async function serve(options: ServeOptions): Promise<void> {
  const { log, grace, signal } = options;
  const address = findAddress(options.address);
  await using served = await open(options);
  const { snapshots } = served;
  const { containerd, limits, metrics } = options;
  await using differ = new ContainerdDiffer({ served, address: containerd, limits });
  await using rendered = options.cache ? await openRendered(served, options) : undefined;
  const daemon = await start({
    ...{ address, snapshotter: snapshots, differ, metrics, log },
    findRendered: rendered && (wanted => rendered.find(wanted)),
  });
  using _ = watchdog(log);
  log({
    level: 'info',
    message: 'serving',
    fields: {
      address: daemon.address,
      metrics: daemon.metricsAddress,
      driver: snapshots.driver.name,
      directory: served.directory,
    },
  });
  notify(`READY=1\nSTATUS=serving at ${daemon.address}`, log);
  const cleaned = cleanUp(served, log);
  await aborted(signal);
  notify('STOPPING=1\nSTATUS=waiting for what is being worked on', log);
  log({ level: 'info', message: 'stopping', fields: {} });
  await daemon.stop({ grace });
  await cleaned;
}

function findAddress(given: string | undefined): ListenAddress {
  const listeners = takeListeners();
  if (given !== undefined) {
    const path = given.replace(/^unix:(\/\/)?/, '');
    return { path: isAbsolute(path) ? path : resolve(path) };
  }
  const [descriptor, ...others] = listeners;
  if (others.length > 0) {
    throw new DaemonError(
      'invalid',
      `the service manager has opened ${listeners.length} sockets, and Shale serves one`,
      {
        hint: 'give the socket unit one ListenStream=',
      },
    );
  }
  return descriptor === undefined ? { path: join(findRuntimeRoot(), 'shale.sock') } : { descriptor };
}

function open(options: ServeOptions): Promise<Served> {
  return openServed({
    ...options,
    onChoice({ driver, why, copies, passed }) {
      const level = copies || passed.length > 0 ? 'warn' : 'info';
      options.log({ level, message: `chose a driver: ${why}`, fields: { driver, copies } });
      for (const { driver, support } of passed) {
        if (support.usable) continue;
        options.log({ level: 'warn', message: support.reason, fields: { driver, hint: support.hint } });
      }
      options.onChoice?.({ driver, why, copies, passed });
    },
  });
}

/** What an earlier daemon has left when it was killed. Whoever asks for snapshots need not wait for it. */
async function cleanUp({ snapshots }: Served, log: Log): Promise<void> {
  try {
    await snapshots.cleanup();
  } catch (error) {
    const { message, hint } = asShaleError(error);
    log({ level: 'warn', message: `cannot clean up: ${message}`, fields: { hint } });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
}

/** While this process still turns its event loop, it says so twice as often as it has to. */
function watchdog(log: Log): Disposable {
  const interval = findWatchdogInterval();
  const timer = interval && setInterval(() => notify('WATCHDOG=1', log), interval / 2);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** A service manager that cannot be told is no reason not to serve. */
function notify(state: string, log: Log): void {
  try {
    notifyServiceManager(state);
  } catch (error) {
    log({ level: 'warn', message: (error as Error).message, fields: {} });
  }
}
