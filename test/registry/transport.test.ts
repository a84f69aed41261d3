import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, createServer as createSocketServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ShaleError } from '../../src/error/index.ts';
import { RegistryError } from '../../src/registry/error.ts';
import {
  Connections,
  defaultTimeouts,
  exchange,
  findProxy,
  follow,
  type HttpRequest,
  parseRetryAfter,
  type RetryEvent,
  readDocument,
  retry,
  showText,
  showUrl,
  type Timeouts,
  type Trust,
} from '../../src/registry/transport/index.ts';
import { requires } from '../requirement.ts';
import { createAuthority } from './certificate.ts';
import { type Listening, listen } from './listen.ts';

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

const open: Trust = { ca: [], insecure: true };
const serve = (answer: Serve): Promise<Listening> => listen(createServer(answer), 'http');

/** Sends with time-outs that a test can wait for. */
async function use<T>(
  work: (send: (request: HttpRequest) => ReturnType<typeof exchange>) => Promise<T>,
  timeouts: Partial<Timeouts> = {},
): Promise<T> {
  const all = { ...defaultTimeouts, ...timeouts };
  await using connections = new Connections(all.connect);
  return await work(request => exchange(connections, request, all));
}

const get = (url: string | URL, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url: new URL(url),
  headers: {},
  trust: open,
  ...more,
});

const fails = (code: string, reason: string | undefined, pattern?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ShaleError, String(error));
  assert.equal(error.code, code, error.message);
  assert.equal(error.detail.reason, reason, error.message);
  if (pattern) assert.match(error.message, pattern);
  return true;
};

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function waitFor(isTrue: () => boolean): Promise<void> {
  for (let waited = 0; waited < 5000 && !isTrue(); waited += 5) await sleep(5);
  assert.ok(isTrue(), 'did not come true in time');
}

test('a large body arrives whole, and waits for a slow reader', async () => {
  const content = randomBytes(24 * 1024 * 1024);
  let flushed = 0;
  await using server = await serve((_, response) => {
    const push = () => {
      while (flushed < content.length) {
        const next = content.subarray(flushed, flushed + 65536);
        flushed += next.length;
        if (!response.write(next)) return response.once('drain', push);
      }
      return response.end();
    };
    push();
  });
  await use(async send => {
    const { body } = await send(get(server.origin));
    await sleep(200);
    // Sockets hold some of it as well, but the reader has taken nothing.
    assert.ok(flushed < content.length, 'the whole body was taken in without a reader');
    assert.ok(body.received < 4 * 1024 * 1024, `${body.received} bytes are waiting in memory`);
    assert.deepEqual(await readAll(body), content);
  });
});

test('who stops reading closes the connection', async () => {
  let closed = 0;
  await using server = await serve((_, response) => {
    response.on('close', () => closed++);
    const push = () => {
      while (response.writable && response.write(Buffer.alloc(65536)));
      response.once('drain', push);
    };
    push();
  });
  await use(async send => {
    const { body } = await send(get(server.origin));
    for await (const chunk of body) if (chunk.length > 0) break;
    await waitFor(() => closed === 1);
    (await send(get(server.origin))).body.discard();
    await waitFor(() => closed === 2);
  });
});

test('connections are used again, also after a small body that nobody read', async () => {
  const ports = new Set<number | undefined>();
  await using server = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    response.end('a few bytes');
  });
  await use(async send => {
    for (let turn = 0; turn < 4; turn++) {
      const { body } = await send(get(server.origin));
      if (turn % 2 === 0) body.discard();
      else await readAll(body);
      await sleep(20);
    }
  });
  assert.equal(ports.size, 1);
});

test('sixteen requests are under way at once', async () => {
  let most = 0;
  let now = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  await using server = await serve(async (_, response) => {
    most = Math.max(most, ++now);
    if (now === 16) resolve();
    await all;
    response.end('x');
  });
  await use(async send => {
    await Promise.all(Array.from({ length: 16 }, async () => readAll((await send(get(server.origin))).body)));
  });
  assert.equal(most, 16);
});

test('time-outs say which: no first byte, a stall, a trickle', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(200, { 'content-length': '1000000' });
    response.write(Buffer.alloc(1000));
    if (request.url === '/stall') return;
    const timer = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(timer));
  });
  await use(
    async send => {
      await assert.rejects(
        send(get(`${server.origin}/silent`)),
        fails('unavailable', 'first-byte', /0\.15 s/),
      );
      for (const place of ['/stall', '/trickle']) {
        const { body } = await send(get(server.origin + place));
        await assert.rejects(readAll(body), fails('unavailable', 'stall'));
      }
    },
    { firstByte: 150, stall: 200 },
  );
});

test('the time in which the reader takes nothing is no stall', async () => {
  const content = Buffer.alloc(16 * 1024 * 1024, 'x');
  await using server = await serve((_, response) => response.end(content));
  await use(
    async send => {
      const { body } = await send(get(server.origin));
      await sleep(400);
      assert.equal((await readAll(body)).length, content.length);
    },
    { stall: 100 },
  );
});

/** A server that knows no HTTP: what it does with a connection is `answer`'s. */
async function serveSocket(answer: (socket: Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createSocketServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    answer(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>(resolve => server.close(() => resolve()));
    },
  };
}

test('a connection that is never made, or refused, or cut, is said to be so', async () => {
  await using cutting = await serveSocket(socket => socket.destroy());
  await using babbling = await serveSocket(socket => socket.end('220 mail.example ESMTP\r\n'));
  // TLS that never answers, which the connect time-out covers as well.
  await using hanging = await serveSocket(() => {});
  await use(
    async send => {
      const reason = (name: string) => fails('unavailable', name);
      await assert.rejects(send(get(`http://127.0.0.1:${cutting.port}/`)), reason('broken'));
      await assert.rejects(send(get(`http://127.0.0.1:${babbling.port}/`)), reason('protocol'));
      await assert.rejects(send(get('http://127.0.0.1:1/')), reason('refused'));
      await assert.rejects(send(get('http://name.invalid/')), reason('name'));
      const started = performance.now();
      await assert.rejects(send(get(`https://127.0.0.1:${hanging.port}/`)), reason('connect'));
      assert.ok(performance.now() - started < 3000);
    },
    { connect: 200 },
  );
});

test('bodies shorter or longer than demanded are errors', async () => {
  await using server = await serve((_, response) => {
    response.write('12345');
    response.end('67890');
  });
  await use(async send => {
    const read = async (length: number) => {
      const { body } = await send(get(server.origin));
      body.expect(length);
      return (await readAll(body)).toString();
    };
    assert.equal(await read(10), '1234567890');
    await assert.rejects(read(11), fails('unavailable', 'broken', /10 of 11/));
    await assert.rejects(read(9), fails('corrupt', 'protocol'));
  });
});

test('an abort ends a request, a body and a wait, with the reason of the signal', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/body') response.write('some');
  });
  const reason = new RegistryError('cancelled', 'enough');
  await use(async send => {
    const aborts = [new AbortController(), new AbortController(), new AbortController()] as const;
    const request = send(get(server.origin, { signal: aborts[0].signal }));
    setTimeout(() => aborts[0].abort(reason), 50);
    await assert.rejects(request, error => error === reason);
    const { body } = await send(get(`${server.origin}/body`, { signal: aborts[1].signal }));
    setTimeout(() => aborts[1].abort(), 50);
    await assert.rejects(readAll(body), fails('cancelled', undefined));
    setTimeout(() => aborts[2].abort(reason), 50);
    const failing = () =>
      Promise.reject(
        new RegistryError('unavailable', 'no', { detail: { retryable: true, retryAfter: 60_000 } }),
      );
    const options = { tries: 3, registry: 'r', what: 'wait', signal: aborts[2].signal };
    await assert.rejects(retry(failing, options), error => error === reason);
  });
});

test('an upload may take its time, but must get on', async () => {
  const received: string[] = [];
  await using server = await serve((request, response) => {
    if (request.url === '/stuck') return void request.pause();
    request.on('data', (chunk: Buffer) => received.push(chunk.toString()));
    request.on('end', () => response.writeHead(201).end());
  });
  const slow = {
    size: 4,
    async *open() {
      for (const letter of 'abcd') {
        await sleep(100);
        yield Buffer.from(letter);
      }
    },
  };
  const endless = {
    size: 1e9,
    async *open() {
      for (let sent = 0; sent < 1000; sent++) yield Buffer.alloc(1e6);
    },
  };
  await use(
    async send => {
      const put = { method: 'PUT', headers: {} } as const;
      assert.equal((await send(get(server.origin, { ...put, content: slow }))).status, 201);
      assert.equal(received.join(''), 'abcd');
      const stuck = send(get(`${server.origin}/stuck`, { ...put, content: endless }));
      await assert.rejects(stuck, fails('unavailable', 'first-byte'));
    },
    { firstByte: 250 },
  );
});

test('redirects: secrets stay at their origin, the range goes along', async () => {
  const seen: { host: string | undefined; url: string | undefined; headers: IncomingMessage['headers'] }[] =
    [];
  const note = (request: IncomingMessage) =>
    seen.push({ host: request.headers.host, url: request.url, headers: request.headers });
  await using other = await serve((request, response) => {
    note(request);
    if (request.url === '/back') response.writeHead(302, { location: `${origin.origin}/end` }).end();
    else response.end('done');
  });
  await using origin: Listening = await serve((request, response) => {
    note(request);
    const location = {
      '/own': '/end',
      '/away': `${other.origin}/there?signature=s`,
      '/round': `${other.origin}/back`,
    };
    const target = location[request.url as '/own'];
    if (target === undefined) response.end('done');
    else response.writeHead(307, { location: target }).end();
  });
  await use(async send => {
    const request = (place: string) =>
      follow(
        get(origin.origin + place, {
          headers: { range: 'bytes=1-2' },
          ownHeaders: { authorization: 'Bearer secret', 'x-custom': 'secret' },
        }),
        send,
      );
    for (const [place, own] of [
      ['/own', true],
      ['/away', false],
      ['/round', false],
    ] as const) {
      seen.length = 0;
      const response = await request(place);
      response.body.discard();
      assert.equal(response.status, 200);
      assert.equal(response.own, own, place);
      assert.ok(seen.every(({ headers }) => headers.range === 'bytes=1-2'));
      assert.equal(seen[0]?.headers.authorization, 'Bearer secret');
      for (const { headers } of seen.slice(1)) {
        // Not even when it leads back: whoever was asked in between chose where to.
        assert.equal(headers.authorization, own ? 'Bearer secret' : undefined);
        assert.equal(headers['x-custom'], own ? 'secret' : undefined);
      }
    }
  });
});

test('redirects: at most ten, no other scheme, no user in the URL; a POST is not repeated elsewhere', async () => {
  let count = 0;
  await using server = await serve((request, response) => {
    count++;
    const left = Number(request.url?.slice(1));
    const location =
      request.url === '/file'
        ? 'file:///etc/passwd'
        : left > 0
          ? `http://user:secret@${request.headers.host}/${left - 1}`
          : '';
    if (location === '') response.end(request.headers.authorization ?? 'nobody');
    else response.writeHead(302, { location }).end();
  });
  await use(async send => {
    const at = (place: string, more: Partial<HttpRequest> = {}) =>
      follow(get(server.origin + place, more), send);
    assert.equal((await readAll((await at('/10')).body)).toString(), 'nobody');
    await assert.rejects(at('/11'), /more than 10 times/);
    await assert.rejects(at('/file'), fails('invalid', undefined));
    count = 0;
    const posted = await at('/3', { method: 'POST' });
    posted.body.discard();
    assert.deepEqual([posted.status, count], [302, 1]);
  });
});

test('TLS: own CAs count besides the others, by default nobody else is trusted, client certificates stay home', {
  skip: requires({ tools: ['openssl'] }),
}, async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-tls-'));
  try {
    const authority = createAuthority(directory);
    const { cert, key } = authority.sign('server');
    const client = authority.sign('client', 'client');
    let shown = '';
    const options = { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: false };
    const answer: Serve = (request, response) => {
      const socket = request.socket as unknown as { getPeerCertificate(): { subject?: { CN?: string } } };
      shown = String(socket.getPeerCertificate().subject?.CN);
      const { location = '' } = Object.fromEntries(new URL(request.url!, 'https://x').searchParams);
      if (location) response.writeHead(302, { location }).end();
      else response.end('fine');
    };
    await using server = await listen(createSecureServer(options, answer), 'https');
    await using second = await listen(createSecureServer(options, answer), 'https');
    await using plain = await serve((_, response) => response.end('plain'));
    await use(async send => {
      const trust = { ca: [authority.cert], cert: client.cert, key: client.key, insecure: false };
      const ask = (url: string, asked: Trust) => follow(get(url, { trust: asked }), send);
      const distrusted = fails('unavailable', 'certificate');
      await assert.rejects(ask(server.origin, { ca: [], insecure: false }), error => {
        assert.match(String((error as ShaleError).hint), /ca\.crt/);
        return distrusted(error);
      });
      assert.equal((await ask(server.origin, open)).status, 200);
      (await ask(server.origin, trust)).body.discard();
      assert.equal(shown, 'client');
      (await ask(`${server.origin}/?location=${second.origin}/`, trust)).body.discard();
      assert.equal(shown, 'undefined');
      // By another name it is still another origin.
      (
        await ask(`${server.origin}/?location=${server.origin.replace('127.0.0.1', 'localhost')}/`, trust)
      ).body.discard();
      assert.equal(shown, 'undefined');
      const downgrade = `${server.origin}/?location=${plain.origin}/`;
      await assert.rejects(ask(downgrade, trust), fails('denied', undefined, /https to plain http/));
      assert.equal((await readAll((await ask(downgrade, open)).body)).toString(), 'plain');
      await assert.rejects(ask(plain.origin.replace('http:', 'https:'), open), fails('unavailable', 'tls'));
      const broken = { ...trust, cert: 'nonsense' };
      await assert.rejects(ask(server.origin, broken), fails('invalid', undefined));
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('documents are bounded in size and in time', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/announced') response.writeHead(200, { 'content-length': '1001' }).write('x');
    else if (request.url === '/slow') setInterval(() => response.write('.'.repeat(600)), 50).unref();
    else response.end(Buffer.alloc(Number(request.url?.slice(1))));
  });
  await use(async send => {
    const read = async (place: string, limit: number) =>
      readDocument(await send(get(server.origin + place)), { limit, deadline: 300, what: 'it' });
    assert.equal((await read('/1000', 1000)).length, 1000);
    await assert.rejects(read('/1001', 1000), fails('exhausted', undefined));
    await assert.rejects(read('/announced', 1000), fails('exhausted', undefined));
    await assert.rejects(read('/slow', 1e6), fails('unavailable', 'stall'));
  });
});

test('retries: only what may pass, with a growing random wait, or what the server asks for', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const events: RetryEvent[] = [];
  const run = async (tries: number, detail: Record<string, unknown>) => {
    events.length = 0;
    let calls = 0;
    const work = () => {
      calls++;
      return Promise.reject(new RegistryError('unavailable', 'no', { detail }));
    };
    const done = assert.rejects(
      retry(work, { tries, registry: 'r', what: 'w', onRetry: event => void events.push(event) }),
    );
    let ended = false;
    done.then(() => (ended = true));
    while (!ended) {
      t.mock.timers.tick(120_000);
      await new Promise(resolve => setImmediate(resolve));
    }
    return calls;
  };
  assert.equal(await run(5, { retryable: false }), 1);
  assert.equal(await run(1, { retryable: true }), 1);
  assert.equal(await run(12, { retryable: true }), 12);
  assert.deepEqual(
    events.map(({ attempt }) => attempt),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  );
  const limits = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000];
  for (const [index, { delay }] of events.entries()) {
    assert.ok(delay >= 0 && delay <= limits[index]!, `${delay}`);
  }
  assert.ok(new Set(events.map(({ delay }) => delay)).size > 5, 'there is no jitter');
  assert.equal(await run(2, { retryable: true, retryAfter: 7000 }), 2);
  assert.deepEqual(
    events.map(({ delay }) => delay),
    [7000],
  );
});

test('Retry-After is seconds or a date, at most two minutes', () => {
  const now = Date.parse('2026-11-20T20:00:00Z');
  assert.equal(parseRetryAfter(undefined), undefined);
  assert.equal(parseRetryAfter('soon', now), undefined);
  assert.equal(parseRetryAfter('3', now), 3000);
  assert.equal(parseRetryAfter('100000', now), 120_000);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2026 20:00:30 GMT', now), 30_000);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2026 19:00:00 GMT', now), 0);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2036 20:00:30 GMT', now), 120_000);
});

test('proxies: by scheme, either case, exempt by name, suffix, port, address and network', () => {
  const find = (url: string, variables: Record<string, string>) =>
    findProxy(new URL(url), name => variables[name] || undefined)?.href;
  const both = { HTTPS_PROXY: 'http://secure:1', HTTP_PROXY: 'plain:2' };
  assert.equal(find('https://a.example/', both), 'http://secure:1/');
  assert.equal(find('http://a.example/', both), 'http://plain:2/');
  assert.equal(find('https://a.example/', { ...both, https_proxy: 'http://lower:3' }), 'http://lower:3/');
  assert.equal(find('https://a.example/', {}), undefined);
  for (const host of ['localhost', 'x.localhost', '127.0.0.1:5000', '127.9.9.9', '[::1]:5000']) {
    assert.equal(find(`http://${host}/`, both), undefined, host);
  }
  const exempt = (url: string, list: string) => find(url, { ...both, NO_PROXY: list }) === undefined;
  assert.ok(exempt('https://a.example/', '*'));
  assert.ok(exempt('https://a.example/', 'x, A.Example'));
  assert.ok(exempt('https://b.a.example/', 'a.example'));
  assert.ok(!exempt('https://ba.example/', 'a.example'));
  assert.ok(!exempt('https://a.example/', '.a.example'));
  assert.ok(exempt('https://b.a.example/', '.a.example'));
  assert.ok(exempt('https://b.a.example/', '*.a.example'));
  assert.ok(exempt('https://a.example/', 'a.example:443'));
  assert.ok(!exempt('https://a.example:5000/', 'a.example:443'));
  assert.ok(exempt('https://10.1.2.3/', '10.0.0.0/8'));
  assert.ok(!exempt('https://11.1.2.3/', '10.0.0.0/8'));
  assert.ok(exempt('https://[fd00::1]/', 'fd00::/16'));
  assert.ok(exempt('https://10.1.2.3:5000/', '10.1.2.3'));
  assert.throws(
    () => find('https://a.example/', { HTTPS_PROXY: 'ftp://user:hunter2@proxy' }),
    error => error instanceof RegistryError && error.code === 'invalid' && !error.message.includes('hunter2'),
  );
});

test('a proxy is asked for both schemes, with its own credentials', {
  skip: requires({ tools: ['openssl'] }),
}, async t => {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-proxy-'));
  const authority = createAuthority(directory);
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
    response.end('through the proxy');
  });
  proxy.on('connect', (request, socket, head) => {
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization']}`);
    const upstream = connect(secure.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  const { cert, key } = authority.sign('server');
  await using secure = await listen(
    createSecureServer({ cert, key }, (_, response) => response.end('tunnelled')),
    'https',
  );
  await using listening = await listen(proxy, 'http');
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
    rmSync(directory, { recursive: true, force: true });
  });
  const address = `http://us%40er:pass@${listening.host}`;
  Object.assign(process.env, { http_proxy: address, https_proxy: address, no_proxy: '' });
  const authorization = `Basic ${Buffer.from('us@er:pass').toString('base64')}`;
  await use(async send => {
    const read = async (url: string, trust: Trust) =>
      (await readAll((await send(get(url, { trust }))).body)).toString();
    assert.equal(await read('http://registry.example/x', open), 'through the proxy');
    assert.equal(asked.pop(), `GET http://registry.example/x ${authorization}`);
    // The name is not the certificate's, so only who does not care gets through, and not past the tunnel's TLS otherwise.
    assert.equal(await read('https://registry.example/x', open), 'tunnelled');
    assert.equal(asked.pop(), `CONNECT registry.example:443 ${authorization}`);
    await assert.rejects(
      read('https://registry.example/x', { ca: [authority.cert], insecure: false }),
      fails('unavailable', 'certificate'),
    );
  });
});

test('what is shown of URLs and texts holds no secret and steers no terminal', () => {
  const url = new URL('https://user:hunter2@host:5000/v2/a/blobs/x?X-Amz-Signature=abc#d');
  assert.equal(showUrl(url), 'https://host:5000/v2/a/blobs/x');
  assert.equal(showText('a\u001b[31m\n b'), 'a\\x1b[31m b');
  assert.ok(showText('x'.repeat(10_000)).length < 400);
});

test('errors hold neither credentials nor query strings, however they are printed', async () => {
  await using server = await serve(request => request.socket.destroy());
  const { inspect } = await import('node:util');
  await use(async send => {
    const request = get(`${server.origin}/path?token=hunter2`, {
      ownHeaders: { authorization: 'Bearer hunter2' },
    });
    await assert.rejects(send(request), error => {
      assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /hunter2/);
      return true;
    });
  });
});
