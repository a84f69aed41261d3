import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  type DaemonOptions,
  type LogRecord,
  type RunningDaemon,
  startDaemon,
} from '../../src/daemon/index.ts';
import { loadClient, type ServiceName } from '../../src/daemon/wire/protocol.ts';
import { MemorySnapshotter } from './memory.ts';

/** A daemon on a socket of its own, over a snapshotter in memory. */
export interface Fixture extends AsyncDisposable {
  readonly scratch: string;
  readonly socket: string;
  readonly daemon: RunningDaemon;
  readonly snapshotter: MemorySnapshotter;
  readonly log: LogRecord[];
  /** Calls a method over the socket, as a client of gRPC does. */
  call<Response = Record<string, unknown>>(
    service: ServiceName,
    method: string,
    request: object,
    options?: CallOptions,
  ): Promise<Response>;
  /** Of a call that answers with a stream. */
  list<Response>(service: ServiceName, method: string, request: object): Promise<Response[]>;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborting it cancels the call. */
  readonly signal?: AbortSignal;
  /** In milliseconds from now. */
  readonly deadline?: number;
}

export const snapshots = 'containerd.services.snapshots.v1.Snapshots';
export const diff = 'containerd.services.diff.v1.Diff';
export const health = 'grpc.health.v1.Health';

export async function startFixture(options: Partial<DaemonOptions> = {}): Promise<Fixture> {
  const scratch = makeScratch();
  const socket = path.join(scratch, 'run', 'shale.sock');
  const snapshotter = (options.snapshotter as MemorySnapshotter | undefined) ?? new MemorySnapshotter();
  const log: LogRecord[] = [];
  const daemon = await startDaemon({
    address: { path: socket },
    snapshotter,
    log: record => log.push(record),
    ...options,
  });
  const clients = new Map<ServiceName, Client>();
  const open = (service: ServiceName) => {
    const client = clients.get(service) ?? connect(service, socket);
    clients.set(service, client);
    return client;
  };
  return {
    ...{ scratch, socket, daemon, snapshotter, log },
    call: (service, method, request, callOptions) => callUnary(open(service), method, request, callOptions),
    async list(service, method, request) {
      const stream = methodOf(open(service), method)(request) as unknown as AsyncIterable<never>;
      const answers: never[] = [];
      for await (const answer of stream) answers.push(answer);
      return answers;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients.values()) client.close();
      await daemon.stop({ grace: 100 });
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

const scratches = new Set<string>();
process.once('exit', () => {
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true });
});

/** Gone with the process. Short, for the path of a unix socket has 107 bytes. */
export function makeScratch(): string {
  const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'shale-daemon-')));
  scratches.add(scratch);
  return scratch;
}

export function connect(service: ServiceName, socket: string): Client {
  return new (loadClient(service))(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
  });
}

type Method = (...parameters: unknown[]) => { cancel(): void };

export function methodOf(client: Client, method: string): Method {
  return ((client as unknown as Record<string, Method>)[method] as Method).bind(client);
}

export function callUnary<Response>(
  client: Client,
  method: string,
  request: object,
  { headers = {}, signal, deadline }: CallOptions = {},
): Promise<Response> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const limits = deadline === undefined ? {} : { deadline: Date.now() + deadline };
  return new Promise((resolve, reject) => {
    const answer = (error: unknown, response: Response) => (error ? reject(error) : resolve(response));
    const call = methodOf(client, method)(request, metadata, limits, answer);
    signal?.addEventListener('abort', () => call.cancel());
  });
}
