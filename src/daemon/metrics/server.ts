import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { wrapErrno } from '../../error/index.ts';
import { DaemonError } from '../error.ts';
import { listen } from '../listen.ts';
import type { Metric } from './metric.ts';

/** Where metrics can be read: `unix:PATH`, `HOST:PORT` or `:PORT`, which is this machine alone. */
export type MetricsAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** DaemonError `invalid`. */
export function parseMetricsAddress(text: string): MetricsAddress {
  if (text.startsWith('unix:') && text.length > 5) return { path: text.slice(5).replace(/^\/\/(?=\/)/, '') };
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65535) {
    throw new DaemonError('invalid', `${JSON.stringify(text)} is no address for metrics`, {
      hint: 'it is HOST:PORT, such as 127.0.0.1:9090, or unix:PATH',
    });
  }
  return { host: found[1] ?? (found[2] || '127.0.0.1'), port };
}

/** Disposing it closes the server, and every connection to it. */
export interface MetricsServer extends AsyncDisposable {
  /** For people; where the port was 0, the one it became. */
  readonly address: string;
}

/** Answers `GET /metrics` with what `collect` says, in Prometheus' text format. DaemonErrors and HostErrors. */
export async function serveMetrics(
  address: MetricsAddress,
  collect: () => Promise<readonly Metric[]>,
): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    const answer = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET\n');
    if (request.url?.split('?')[0] !== '/metrics') return answer(404, 'metrics are at /metrics\n');
    collect().then(
      metrics => answer(200, metrics.map(metric => metric.expose()).join('')),
      () => answer(500, 'the metrics cannot be collected\n'),
    );
  });
  if ('path' in address) {
    const listener = await listen(
      address,
      (connection: Socket) => void server.emit('connection', connection),
    );
    return {
      address: `unix:${address.path}`,
      async [Symbol.asyncDispose]() {
        await listener[Symbol.asyncDispose]();
        server.closeAllConnections();
      },
    };
  }
  await listenTcp(server, address);
  const bound = server.address() as { readonly address: string; readonly port: number };
  return {
    address: `http://${bound.address.includes(':') ? `[${bound.address}]` : bound.address}:${bound.port}/metrics`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listenTcp(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    throw wrapErrno(error, `cannot serve metrics at ${host}:${port}`);
  }
}
