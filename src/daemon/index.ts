import type { ServeOptions } from './serve.ts';
import type { DaemonOptions, RunningDaemon } from './start.ts';

/**
 * `shale serve`: containerd's snapshots and diff services on a unix socket, so that a containerd has Shale as a proxy plugin for both.
 *
 *     containerd ──► listen ──► service/ ──► Snapshotter, Differ
 *                    (0600)      │  wire/: messages of proto/, made into our types and back
 *                                └─ call:  counts, times, logs; errors become statuses (status.ts)
 *
 * It holds no state of its own: all is in the snapshotter's database, so it may be killed at any time and started again. What it
 * works for is given to it as interfaces. It prints nothing; records go to `log`.
 *
 * gRPC is loaded by `serve` and `startDaemon`, and by nothing else.
 */
export type {
  ApplyOptions,
  BlobDescriptor,
  Client,
  Differ,
  DiffOptions,
} from './differ.ts';
export { DaemonError } from './error.ts';
export type { ListenAddress } from './listen.ts';
export { type Log, type LogLevel, type LogRecord, logLevels } from './log.ts';
export { type MetricsAddress, parseMetricsAddress } from './metrics/server.ts';
export type { ServeOptions } from './serve.ts';
export type { FindRendered, RenderedRequest } from './service/rendered.ts';
export type { DaemonOptions, RunningDaemon, StopOptions } from './start.ts';
export { grpcStatus } from './status.ts';

/** Starts to serve. DaemonErrors and HostErrors if it cannot listen. */
export async function startDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  const { start } = await import('./start.ts');
  return start(options);
}

/** `shale serve`: opens the snapshots, and serves them until the signal is aborted. Rejects if it cannot start, with nothing left. */
export async function serve(options: ServeOptions): Promise<void> {
  const module = await import('./serve.ts');
  await module.serve(options);
}
