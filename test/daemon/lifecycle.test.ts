import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { createConnection } from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { type Differ, parseMetricsAddress, startDaemon } from '../../src/daemon/index.ts';
import { connect, diff, health, makeScratch, methodOf, snapshots, startFixture } from './fixture.ts';
import { MemorySnapshotter } from './memory.ts';

const differ: Differ = {
  async apply(layer) {
    return { ...layer, size: 4096 };
  },
  async diff() {
    throw new Error('not asked for');
  },
  async [Symbol.asyncDispose]() {},
};
const layer = { mediaType: 'application/x', digest: `sha256:${'0'.repeat(64)}`, size: 1, annotations: {} };

function get(options: http.RequestOptions): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...options, agent: false }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', piece => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    request.on('error', reject);
  });
}

describe('health', () => {
  test('what is served is healthy, until the daemon stops', async () => {
    await using fixture = await startFixture();
    const check = (service: string) => fixture.call(health, 'Check', { service });
    assert.deepEqual(await check(''), { status: 'SERVING' });
    assert.deepEqual(await check(snapshots), { status: 'SERVING' });
    await assert.rejects(check(diff), { code: status.NOT_FOUND });
    const client = connect(health, fixture.socket);
    const seen: string[] = [];
    const watch = methodOf(client, 'Watch')({ service: '' }) as unknown as AsyncIterable<{ status: string }>;
    const watching = (async () => {
      for await (const { status } of watch) {
        seen.push(status);
        if (seen.length === 1) void fixture.daemon.stop({ grace: 1000 });
      }
    })();
    await watching;
    client.close();
    assert.deepEqual(seen, ['SERVING', 'NOT_SERVING']);
  });
});

describe('stopping', () => {
  const hold = async (grace: number) => {
    await using fixture = await startFixture();
    const { promise, resolve } = Promise.withResolvers<void>();
    fixture.snapshotter.gate = () => promise;
    const outcome = fixture.call(snapshots, 'Prepare', { key: 'a' }).then(
      () => 'served',
      (error: { code: status }) => status[error.code],
    );
    while (fixture.snapshotter.signal === undefined) await new Promise(done => setTimeout(done, 5));
    const stopped = fixture.daemon.stop({ grace });
    assert.equal(existsSync(fixture.socket), false, 'no new connection finds it');
    setTimeout(resolve, 100);
    await stopped;
    return { outcome: await outcome, signal: fixture.snapshotter.signal };
  };

  test('a call that is being worked on is finished', async () => {
    assert.equal((await hold(10_000)).outcome, 'served');
  });

  test('one that takes too long is cancelled', async () => {
    const { outcome, signal } = await hold(20);
    assert.notEqual(outcome, 'served');
    assert.equal(signal.aborted, true);
  });
});

describe('clients that break off', () => {
  test('just when the daemon stops: it stops', async () => {
    await using fixture = await startFixture();
    const client = createConnection(fixture.socket).pause();
    await once(client, 'connect');
    // The greeting of HTTP/2 lies unread in the socket: closed now, the daemon's end of it is reset.
    await new Promise(done => setTimeout(done, 100));
    const stopped = fixture.daemon.stop({ grace: 10_000 });
    client.destroy();
    await stopped;
  });
});

describe('metrics', () => {
  test('count what was served, by Prometheus’ format', async () => {
    await using fixture = await startFixture({ differ, metrics: parseMetricsAddress('127.0.0.1:0') });
    await fixture.call(snapshots, 'Prepare', { key: 'a' });
    await assert.rejects(fixture.call(snapshots, 'Prepare', { key: 'a' }));
    const headers = { 'containerd-namespace': 'n' };
    const applied = await fixture.call(diff, 'Apply', { diff: layer, mounts: [] }, { headers });
    assert.deepEqual(applied, { applied: { ...layer, size: 4096 } });
    await assert.rejects(fixture.call(diff, 'Apply', { mounts: [] }, { headers }), {
      code: status.INVALID_ARGUMENT,
    });
    // CRI sends them with every layer, be it encrypted or not.
    const payloads = { decrypt: { typeUrl: 'x', value: Buffer.alloc(0) } };
    await fixture.call(diff, 'Apply', { diff: layer, payloads }, { headers });
    const { hostname, port } = new URL(fixture.daemon.metricsAddress!);
    const { text } = await get({ hostname, port, path: '/metrics' });
    for (const line of [
      'shale_grpc_requests_total{method="Snapshots/Prepare",code="OK"} 1',
      'shale_grpc_requests_total{method="Snapshots/Prepare",code="ALREADY_EXISTS"} 1',
      'shale_grpc_request_seconds_count{method="Snapshots/Prepare"} 2',
      'shale_grpc_request_seconds_bucket{method="Snapshots/Prepare",le="+Inf"} 2',
      'shale_grpc_requests_open{method="Snapshots/Prepare"} 0',
      'shale_snapshots{kind="active"} 1',
      'shale_snapshots{kind="committed"} 0',
      'shale_applied_bytes_total 8192',
    ]) {
      assert.ok(text.includes(`\n${line}\n`), `${line} is not in\n${text}`);
    }
    assert.match(text, /^process_resident_memory_bytes [1-9][0-9]+$/m);
    // Each line is a comment, or a name, labels and a number.
    for (const line of text.trimEnd().split('\n')) {
      assert.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e+-]+)$/);
    }
    assert.equal((await get({ hostname, port, path: '/' })).status, 404);
  });

  test('are on a unix socket where that is asked for', async () => {
    const scratch = makeScratch();
    const socketPath = path.join(scratch, 'metrics');
    await using _ = await startFixture({ metrics: parseMetricsAddress(`unix:${socketPath}`) });
    assert.match((await get({ socketPath, path: '/metrics' })).text, /^shale_snapshots/m);
  });

  test('a daemon that cannot offer them does not start, and leaves nothing', async () => {
    const scratch = makeScratch();
    const socket = path.join(scratch, 'shale.sock');
    const options = { snapshotter: new MemorySnapshotter(), log: () => {}, address: { path: socket } };
    await assert.rejects(startDaemon({ ...options, metrics: { host: '192.0.2.1', port: 1 } }), {
      message: /cannot serve metrics at 192\.0\.2\.1:1/,
    });
    assert.equal(existsSync(socket), false);
    const daemon = await startDaemon(options);
    await daemon.stop({ grace: 0 });
  });

  test('their address', () => {
    assert.deepEqual(parseMetricsAddress(':9090'), { host: '127.0.0.1', port: 9090 });
    assert.deepEqual(parseMetricsAddress('[::1]:0'), { host: '::1', port: 0 });
    assert.deepEqual(parseMetricsAddress('unix:///run/x'), { path: '/run/x' });
    for (const text of ['', '9090', 'host', 'host:99999', 'unix:', 'http://x:1']) {
      assert.throws(() => parseMetricsAddress(text), { code: 'invalid' });
    }
  });
});
