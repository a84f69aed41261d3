import type { Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Snapshotter } from '../snapshot/snapshotter.ts';
import type { Differ } from './differ.ts';
import { type ListenAddress, listen } from './listen.ts';
import type { Log } from './log.ts';
import { Counter, Gauge, type Metric } from './metrics/metric.ts';
import { measureProcess } from './metrics/process.ts';
import { RequestMetrics } from './metrics/requests.ts';
import { type MetricsAddress, serveMetrics } from './metrics/server.ts';
import { Calls } from './service/call.ts';
import { DiffService } from './service/diff.ts';
import { HealthService } from './service/health.ts';
import { type FindRendered, Rendered } from './service/rendered.ts';
import { SnapshotsService } from './service/snapshots.ts';
import { loadService, type ServiceName } from './wire/protocol.ts';

export interface DaemonOptions {
  readonly address: ListenAddress;
  readonly snapshotter: Snapshotter;
  /** Without one there is no diff service. */
  readonly differ?: Differ | undefined;
  readonly findRendered?: FindRendered | undefined;
  readonly metrics?: MetricsAddress | undefined;
  readonly log: Log;
}

export interface StopOptions {
  /** How long calls that are being worked on may go on, in milliseconds. Those that are left are cancelled. */
  readonly grace: number;
}

/** A daemon that serves. Snapshotter and differ stay the caller's to close, after it has stopped. */
export interface RunningDaemon {
  /** For people. */
  readonly address: string;
  readonly metricsAddress: string | undefined;
  /** Takes no more calls, and resolves when none is being worked on any more. Once. */
  stop(options: StopOptions): Promise<void>;
}

/** As containerd's own limit, in bytes. */
const mostMessageBytes = 16 * 1024 * 1024;

/** DaemonErrors and HostErrors if it cannot listen. */
export async function start(options: DaemonOptions): Promise<RunningDaemon> {
  const { snapshotter, differ, log } = options;
  const requests = new RequestMetrics();
  const applied = new Counter(
    'shale_applied_bytes_total',
    'Bytes of layers that were applied, uncompressed.',
  );
  applied.add({}, 0);
  const calls = new Calls(log, requests);
  const server = new Server({
    'grpc.max_receive_message_length': mostMessageBytes,
    'grpc.max_send_message_length': mostMessageBytes,
  });

  const rendered = new Rendered({ snapshotter, find: options.findRendered, log });
  const snapshots = 'containerd.services.snapshots.v1.Snapshots';
  const diff = 'containerd.services.diff.v1.Diff';
  const names: ServiceName[] = differ === undefined ? [snapshots] : [snapshots, diff];
  const health = new HealthService(names);
  server.addService(loadService(snapshots), new SnapshotsService(snapshotter, rendered).handlers(calls));
  if (differ !== undefined)
    server.addService(loadService(diff), new DiffService(differ, applied).handlers(calls));
  server.addService(loadService('grpc.health.v1.Health'), health.handlers(calls));

  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Set<Socket>();
  const listener = await listen(options.address, connection => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
    injector.injectConnection(connection);
  });
  const stop = async ({ grace }: StopOptions) => {
    await listener[Symbol.asyncDispose]();
    // gRPC's own word that all is done comes too early where it was given its connections.
    server.tryShutdown(() => {});
    // Not `once` of node:events, which rejects when a client breaks off.
    const closed = Promise.all(
      [...connections].map(connection => new Promise(resolve => connection.once('close', resolve))),
    );
    const force = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, grace);
    await closed;
    clearTimeout(force);
  };
  const collect = async () => [
    ...requests.metrics,
    applied,
    await countSnapshots(snapshotter),
    ...measureProcess(),
  ];
  let metrics: Awaited<ReturnType<typeof serveMetrics>> | undefined;
  try {
    metrics = options.metrics && (await serveMetrics(options.metrics, collect));
  } catch (error) {
    await stop({ grace: 0 });
    throw error;
  }
  return {
    address: listener.address,
    metricsAddress: metrics?.address,
    async stop({ grace }) {
      health.stop();
      await stop({ grace });
      await metrics?.[Symbol.asyncDispose]();
    },
  };
}

async function countSnapshots(snapshotter: Snapshotter): Promise<Metric> {
  const gauge = new Gauge('shale_snapshots', 'Snapshots, by kind.');
  for (const kind of ['active', 'view', 'committed']) gauge.set({ kind }, 0);
  for await (const { kind } of snapshotter.walk()) gauge.add({ kind }, 1);
  return gauge;
}
