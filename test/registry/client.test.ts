import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { type ErrorCode, ShaleError } from '../../src/error/index.ts';
import {
  type Descriptor,
  mediaTypes,
  parseDigest,
  parseReference,
  type Reference,
} from '../../src/oci/index.ts';
import { readLocation } from '../../src/registry/client/location.ts';
import {
  createRegistryClient,
  type RegistryClient,
  type RegistryOptions,
  type RetryEvent,
  referrersTag,
  Secret,
} from '../../src/registry/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { requires } from '../requirement.ts';
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry, startTokenServer } from './fake.ts';
import { noise, noisyImage, pushImage, skopeo } from './image.ts';
import { password, realRegistry, startRegistry, username } from './real.ts';

/** Credentials and configuration of the machine stay out. */
function isolated(t: TestContext, options: RegistryOptions = {}): RegistryOptions {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-client-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const authFile = path.join(directory, 'auth.json');
  const registriesConf = path.join(directory, 'registries.conf');
  writeFileSync(authFile, '{}');
  writeFileSync(registriesConf, '');
  return { authFile, registriesConf, certsDirs: [directory], ...options };
}

async function setUp(t: TestContext, fake: FakeRegistryOptions = {}, options: RegistryOptions = {}) {
  const registry = await startFakeRegistry(fake);
  const events: RetryEvent[] = [];
  const client = createRegistryClient(isolated(t, { onRetry: event => void events.push(event), ...options }));
  t.after(async () => {
    await client[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });
  const name = { registry: registry.host, repository: 'a/b' };
  const reference = (text = 'a/b:1') => parseReference(`${registry.host}/${text}`);
  return { registry, client, name, reference, events };
}

const fails =
  (code: ErrorCode, pattern = /(?:)/) =>
  (error: unknown) => {
    assert.ok(error instanceof ShaleError, String((error as Error).stack));
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message} | ${error.hint ?? ''}`, pattern);
    JSON.stringify(error.detail);
    return true;
  };

function descriptorOf(bytes: Uint8Array, fields: Partial<Descriptor> = {}): Descriptor {
  const nothing = {
    annotations: {},
    urls: [],
    platform: undefined,
    artifactType: undefined,
    data: undefined,
  };
  const digest = parseDigest(`sha256:${sha256(bytes)}`);
  return { mediaType: mediaTypes.layer, digest, size: bytes.length, ...nothing, ...fields };
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Content for a push, in pieces that fit nothing. */
const from = (bytes: Buffer) =>
  async function* (offset: number) {
    for (let at = offset; at < bytes.length; at += 7001) yield bytes.subarray(at, at + 7001);
  };

const withDigest = (reference: Reference, digest: string): Reference => ({
  ...reference,
  tag: undefined,
  digest: parseDigest(digest),
});

test('resolve and fetch a manifest, by tag and by digest, plain http remembered', async t => {
  const { registry, client, reference } = await setUp(t);
  const image = registry.put('a/b:1', noisyImage([1]));
  const resolved = await client.resolve(reference());
  assert.equal(resolved.digest, image.digest);
  const fetched = await client.fetchManifest(reference());
  assert.deepEqual(fetched.descriptor, resolved);
  assert.equal(sha256(fetched.bytes), image.digest.slice(7));
  const byDigest = await client.fetchManifest(withDigest(reference(), image.digest), { expected: resolved });
  assert.deepEqual(byDigest, fetched);
  assert.equal((await client.resolve(withDigest(reference(), image.digest))).size, resolved.size);
  const accept = registry.requests[0]?.headers.accept ?? '';
  for (const type of [
    mediaTypes.manifest,
    mediaTypes.index,
    mediaTypes.dockerManifest,
    'manifest.list.v2+json',
  ]) {
    assert.ok(accept.includes(type), type);
  }
  // Only the very first request was tried with TLS, which the fake never saw.
  assert.equal(registry.requests.length, 4);
  await assert.rejects(client.resolve(reference('a/b:2')), fails('not-found', /is the name right/));
  await assert.rejects(client.fetchManifest(reference('a/b:2')), fails('not-found', /MANIFEST_UNKNOWN/));
});

test('resolve asks by GET where HEAD does not tell', async t => {
  const { registry, client, reference } = await setUp(t);
  const { digest } = registry.put('a/b:1', noisyImage([1]));
  const head = { method: 'HEAD', path: '/manifests/' };
  for (const fault of [
    { headers: { 'docker-content-digest': undefined } },
    { status: 405 },
    { headers: { 'content-type': 'text/html' } },
  ]) {
    registry.on(head, fault);
    assert.equal((await client.resolve(reference())).digest, digest);
    registry.heal();
  }
  registry.on({ path: '/manifests/' }, { headers: { 'docker-content-digest': undefined } });
  assert.equal((await client.resolve(reference())).digest, digest);
});

test('manifests that are not what was asked for are refused', async t => {
  const { registry, client, reference } = await setUp(t, {}, { retries: 0 });
  const image = registry.put('a/b:1', noisyImage([1]));
  const byTag = () => client.fetchManifest(reference());
  const byDigest = () => client.fetchManifest(withDigest(reference(), image.digest));
  const { contents } = registry;
  const put = (content: object, type: string = mediaTypes.manifest) =>
    contents.putManifest('a/b', type, content, '1');
  const manifest = { path: '/manifests/' };

  registry.on(manifest, { corruptAt: 3 });
  await assert.rejects(byTag(), fails('corrupt', /registry itself says/));
  await assert.rejects(byDigest(), fails('corrupt', /was asked for/));
  registry.heal();
  // A registry that lies consistently is found out by who knows the digest.
  registry.on(manifest, { corruptAt: 3, headers: { 'docker-content-digest': undefined } });
  await assert.rejects(byDigest(), fails('corrupt'));
  registry.heal();
  for (const digest of [
    'sha256:abc',
    'md5:d41d8cd98f00b204e9800998ecf8427e',
    `sha256:${'A'.repeat(64)}`,
    'x',
  ]) {
    registry.on(manifest, { headers: { 'docker-content-digest': digest } });
    await assert.rejects(byTag(), fails('invalid', /Docker-Content-Digest/));
    await assert.rejects(client.resolve(reference()), fails('invalid', /Docker-Content-Digest/));
    registry.heal();
  }
  registry.on(manifest, { headers: { 'content-encoding': 'gzip' } });
  await assert.rejects(byTag(), fails('unsupported', /encoded/));
  registry.heal();
  const large = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
  for (const unsized of [false, true]) {
    registry.on(manifest, { body: large, unsized });
    await assert.rejects(byTag(), fails('exhausted', /4194304/));
    registry.heal();
  }
  put({ schemaVersion: 2, config: {}, layers: [], manifests: [] });
  await assert.rejects(byTag(), fails('invalid', /ambiguous/));
  put({ schemaVersion: 2, manifests: [] });
  await assert.rejects(byTag(), fails('invalid', /fields of an index/));
  put({ schemaVersion: 1, fsLayers: [] }, 'application/vnd.docker.distribution.manifest.v1+prettyjws');
  await assert.rejects(byTag(), fails('unsupported', /schema 1/));
  // Behind a web server that knows no types the document itself says what it is.
  const digest = put(
    { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] },
    'text/plain; charset=utf-8',
  );
  const { descriptor } = await byTag();
  assert.deepEqual([descriptor.digest, descriptor.mediaType], [digest, mediaTypes.index]);
  const wrong = (fields: Partial<Descriptor>) =>
    client.fetchManifest(reference(), { expected: { ...descriptor, ...fields } });
  await assert.rejects(wrong({ size: descriptor.size + 1 }), fails('corrupt'));
  await assert.rejects(wrong({ mediaType: mediaTypes.manifest }), fails('invalid'));
});

test('blobs: whole, in ranges, from a server that gives none', async t => {
  const { registry, client, name } = await setUp(t);
  const bytes = noise(300_000);
  registry.contents.putBlob('a/b', bytes);
  const blob = descriptorOf(bytes);
  const read = async (start?: number, end?: number) => {
    const opened = await client.openBlob(name, blob, { start, end });
    return { ...opened, bytes: await readAll(opened.body) };
  };
  const whole = await read();
  assert.deepEqual([whole.start, whole.ranged, whole.bytes.equals(bytes)], [0, true, true]);
  const part = await read(1000, 200_000);
  assert.deepEqual(
    [part.start, part.ranged, part.bytes.equals(bytes.subarray(1000, 200_000))],
    [1000, true, true],
  );
  assert.ok((await read(299_999)).bytes.equals(bytes.subarray(299_999)));
  const before = registry.requests.length;
  assert.equal((await read(300_000)).bytes.length, 0);
  assert.equal(registry.requests.length, before);
  await assert.rejects(read(5, 300_001), fails('invalid'));
  assert.equal(registry.requests.at(-1)?.headers['accept-encoding'], 'identity');

  for (const fault of [{ ignoreRange: true }, { status: 416, body: 'no' }]) {
    registry.on({ path: '/blobs/', ...('status' in fault && { nth: 1 }) }, fault);
    const all = await read(1000, 2000);
    assert.deepEqual([all.start, all.ranged, all.bytes.equals(bytes)], [0, false, true]);
    registry.heal();
  }
  assert.equal(await client.hasBlob(name, blob), true);
  assert.equal(await client.hasBlob(name, descriptorOf(Buffer.from('x'))), false);
});

test('blobs that contradict what was asked for are refused, broken ones end with an error', async t => {
  const { registry, client, name } = await setUp(
    t,
    {},
    { timeouts: { stall: 200, firstByte: 500 }, retries: 0 },
  );
  const bytes = noise(200_000);
  registry.contents.putBlob('a/b', bytes);
  const read = async (size = bytes.length, start = 100) => {
    const { body } = await client.openBlob(name, descriptorOf(bytes, { size }), { start });
    return await readAll(body);
  };
  const cases: [Parameters<FakeRegistry['on']>[1], ErrorCode, RegExp][] = [
    [{ headers: { 'content-range': 'bytes 99-199999/200000' } }, 'corrupt', /another range/],
    [{ headers: { 'content-range': 'bytes 100-199999/200001' } }, 'corrupt', /another range/],
    [{ headers: { 'content-range': 'bytes 100-200/200000' } }, 'corrupt', /another range/],
    [{ headers: { 'content-range': undefined } }, 'corrupt', /another range/],
    [{ headers: { 'content-range': '1e3-x' } }, 'corrupt', /another range/],
    [{ headers: { 'content-encoding': 'gzip' } }, 'unsupported', /encoded/],
    [{ transform: body => body.subarray(1) }, 'corrupt', /sends 199899 bytes/],
    [{ transform: body => body.subarray(1), unsized: true }, 'unavailable', /ended after/],
    [{ transform: body => Buffer.concat([body, body]), unsized: true }, 'corrupt', /more than/],
    [{ resetAfter: 70_000 }, 'unavailable', /broke/],
    [{ closeAfter: 70_000 }, 'unavailable', /broke/],
    [{ closeAfter: 70_000, unsized: true }, 'unavailable', /broke|ended/],
    [{ silentAfter: 70_000 }, 'unavailable', /stalled/],
    [{ pace: { bytes: 1, milliseconds: 20 } }, 'unavailable', /stalled/],
    [{ silentAfter: -1 }, 'unavailable', /no answer/],
    [{ resetAfter: -1 }, 'unavailable', /broke/],
  ];
  assert.ok((await read()).equals(bytes.subarray(100)));
  for (const [fault, code, pattern] of cases) {
    registry.on({ path: '/blobs/' }, fault);
    await assert.rejects(read(), fails(code, pattern), inspect(fault));
    registry.heal();
  }
  // The manifest says another size than the registry.
  await assert.rejects(read(bytes.length + 1, 0), fails('corrupt'));
  await assert.rejects(read(bytes.length - 1, 0), fails('corrupt'));
  // What came before a break is delivered: resuming starts there.
  registry.on({ path: '/blobs/' }, { resetAfter: 100_000 });
  let received = 0;
  await assert.rejects(async () => {
    for await (const chunk of (await client.openBlob(name, descriptorOf(bytes))).body)
      received += chunk.length;
  }, fails('unavailable'));
  assert.ok(received > 0 && received <= 100_000, `${received}`);
});

test('blobs behind a redirect: no credentials there, a fresh link when it is too old', async t => {
  const { registry, client, name } = await setUp(
    t,
    { auth: { kind: 'basic', username: 'me', password: 'hunter2' } },
    { credential: { kind: 'basic', username: 'me', password: new Secret('hunter2') }, retries: 2 },
  );
  await using storage = await startFakeRegistry();
  const bytes = noise(10_000);
  registry.contents.putBlob('a/b', bytes);
  storage.files.set('/file', bytes);
  registry.on({ path: '/blobs/' }, { redirect: `${storage.origin}/file?signature=hunter2` });
  const { body, start } = await client.openBlob(name, descriptorOf(bytes), { start: 500 });
  assert.equal(start, 500);
  assert.ok((await readAll(body)).equals(bytes.subarray(500)));
  const [request] = storage.requests;
  assert.equal(request?.headers.authorization, undefined);
  assert.equal(request?.headers.range, 'bytes=500-9999');
  // 403 of a storage that was shown an expired link; and a challenge of its own, which must not be answered.
  storage.on({ nth: 1 }, { status: 403, body: 'expired' });
  storage.on({ nth: 1 }, { status: 401, headers: { 'www-authenticate': 'Basic realm="give it to me"' } });
  storage.forget();
  registry.forget();
  await readAll((await client.openBlob(name, descriptorOf(bytes))).body);
  assert.deepEqual(
    storage.requests.map(({ status, headers }) => [status, headers.authorization]),
    [
      [403, undefined],
      [401, undefined],
      [200, undefined],
    ],
  );
  assert.ok(registry.requests.length >= 3);
  storage.on({}, { status: 403 });
  await assert.rejects(client.openBlob(name, descriptorOf(bytes)), error => {
    assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /hunter2/);
    return fails('unavailable')(error);
  });
});

test('foreign layers come from their urls only where the registry has not got them, and nobody is told who asks', async t => {
  const { registry, client, name } = await setUp(
    t,
    { auth: { kind: 'basic', username: 'me', password: 'hunter2' } },
    { credential: { kind: 'basic', username: 'me', password: new Secret('hunter2') }, retries: 0 },
  );
  await using elsewhere = await startFakeRegistry();
  const bytes = noise(10_000);
  elsewhere.files.set('/layer', bytes);
  const blob = descriptorOf(bytes, {
    urls: ['file:///etc/passwd', 'nonsense', `${elsewhere.origin}/missing`, `${elsewhere.origin}/layer`],
  });
  elsewhere.on({ path: '/missing' }, { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } });
  const opened = await client.openBlob(name, blob, { start: 10 });
  assert.ok((await readAll(opened.body)).equals(bytes.subarray(opened.start)));
  for (const { headers } of elsewhere.requests) assert.equal(headers.authorization, undefined);
  assert.equal(elsewhere.requests.length, 2);
  registry.contents.putBlob('a/b', bytes);
  await readAll((await client.openBlob(name, blob)).body);
  assert.equal(elsewhere.requests.length, 2);
  const lost = descriptorOf(Buffer.from('lost'), { urls: [`${elsewhere.origin}/lost?key=hunter2`] });
  await assert.rejects(client.openBlob(name, lost), error => {
    assert.doesNotMatch(inspect(error, { depth: 20 }), /hunter2/);
    return fails('not-found', /urls/)(error);
  });
});

test('tokens: one for all requests, a new one after it was revoked in mid-pull, a wider one to push', async t => {
  await using server = await startTokenServer({ users: { me: 'secret' } });
  const { registry, client, name, reference } = await setUp(
    t,
    { auth: { kind: 'bearer', server } },
    { credential: { kind: 'basic', username: 'me', password: new Secret('secret') } },
  );
  const image = registry.put('a/b:1', noisyImage([1, 2, 3]));
  await client.fetchManifest(reference());
  const blobs = image.layers.map(({ digest, size }) => ({
    ...descriptorOf(Buffer.alloc(0)),
    digest: parseDigest(digest),
    size,
  }));
  const pullAll = () =>
    Promise.all(blobs.map(async blob => readAll((await client.openBlob(name, blob)).body)));
  await pullAll();
  assert.equal(server.requests.length, 1);
  server.revoke();
  await pullAll();
  assert.equal(server.requests.length, 2);
  const bytes = Buffer.from('pushed');
  assert.equal(await client.pushBlob(name, descriptorOf(bytes), from(bytes)), 'pushed');
  assert.deepEqual(server.requests.at(-1)?.scopes, ['repository:a/b:pull,push']);
  const mounted = await client.pushBlob({ ...name, repository: 'c' }, descriptorOf(bytes), from(bytes), {
    from: 'a/b',
  });
  assert.equal(mounted, 'mounted');
});

test('who may not is told so, with what to do', async t => {
  await using server = await startTokenServer({ users: { me: 'hunter2' }, anonymous: true });
  const wrong = { kind: 'basic', username: 'me', password: new Secret('hunter3') } as const;
  const { registry, client, reference, name } = await setUp(
    t,
    { auth: { kind: 'bearer', server } },
    { retries: 0 },
  );
  registry.put('a/b:1', noisyImage([1]));
  await client.fetchManifest(reference());
  // Anonymous may pull, but not push.
  const bytes = Buffer.from('x');
  await assert.rejects(
    client.pushBlob(name, descriptorOf(bytes), from(bytes)),
    fails('unauthenticated', new RegExp(`shale login ${registry.host}`)),
  );
  await using liar = createRegistryClient(isolated(t, { credential: wrong, retries: 0 }));
  await assert.rejects(liar.check(registry.host), error => {
    assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /hunter/);
    return fails('unauthenticated', /shale login/)(error);
  });
  registry.on({}, { status: 403, body: { errors: [{ code: 'DENIED', message: 'no\u001b[2J way' }] } });
  await assert.rejects(client.fetchManifest(reference()), fails('denied', /DENIED: no\\x1b\[2J way/));
});

test('check: anyone, Basic, a token; what is no registry', async t => {
  const { registry, client } = await setUp(t, {}, { retries: 0 });
  await client.check(registry.host);
  registry.on({}, { status: 404, body: 'a web page' });
  await assert.rejects(client.check(registry.host), fails('unsupported', /not a registry/));
  await using server = await startTokenServer({ users: { me: 'right' } });
  for (const auth of [
    { kind: 'basic', username: 'me', password: 'right' },
    { kind: 'bearer', server },
  ] as const) {
    await using guarded = await startFakeRegistry({ auth });
    for (const [text, good] of [
      ['right', true],
      ['wrong', false],
    ] as const) {
      const credential = { kind: 'basic', username: 'me', password: new Secret(text) } as const;
      await using one = createRegistryClient(isolated(t, { credential, retries: 0 }));
      if (good) await one.check(guarded.host);
      else await assert.rejects(one.check(guarded.host), fails('unauthenticated'));
    }
    await assert.rejects(client.check(guarded.host), fails('unauthenticated', /shale login/));
  }
});

test('what fails for the moment is repeated, Retry-After honoured, the rest is not', async t => {
  const { registry, client, reference, events } = await setUp(t);
  registry.put('a/b:1', noisyImage([1]));
  const gate = { path: '/manifests/', times: 1 };
  registry.on(gate, {
    status: 429,
    headers: { 'retry-after': '0' },
    body: { errors: [{ code: 'TOOMANYREQUESTS' }] },
  });
  registry.on(gate, { status: 503, headers: { 'retry-after': new Date(Date.now() - 1000).toUTCString() } });
  registry.on(gate, { resetAfter: -1 });
  await client.fetchManifest(reference());
  assert.deepEqual(
    events.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
  assert.deepEqual(
    events.slice(0, 2).map(({ delay }) => delay),
    [0, 0],
  );
  assert.match(events[0]?.reason ?? '', /429.*TOOMANYREQUESTS/);
  assert.equal(events[0]?.registry, registry.host);
  for (const status of [400, 403, 404, 410]) {
    registry.heal();
    registry.forget();
    registry.on({}, { status });
    await assert.rejects(client.fetchManifest(reference()));
    assert.equal(registry.requests.length, 1, String(status));
  }
  registry.heal();
  registry.forget();
  registry.on({}, { status: 500, headers: { 'retry-after': '0' } });
  await assert.rejects(client.fetchManifest(reference()), error => {
    assert.equal((error as ShaleError).detail.attempt, 5);
    return fails('unavailable', /status 500/)(error);
  });
  assert.equal(registry.requests.length, 5);
});

test('a document that breaks off is fetched again as a whole', async t => {
  const { registry, client, reference, events } = await setUp(t);
  const { digest } = registry.put('a/b:1', noisyImage([1]));
  registry.on({ path: '/manifests/', times: 1 }, { resetAfter: 20 });
  assert.equal((await client.fetchManifest(reference())).descriptor.digest, digest);
  assert.equal(events.length, 1);
});

test('a client that was closed asks nobody', async t => {
  const { registry, client, reference } = await setUp(t);
  await client[Symbol.asyncDispose]();
  await assert.rejects(client.fetchManifest(reference()), fails('cancelled', /closed/));
  assert.equal(registry.requests.length, 0);
});

test('where an upload goes on: relative, behind a proxy that ends TLS, never from https to http elsewhere', () => {
  const locate = (location: string | undefined, insecure = false) => {
    const response = { url: new URL('https://r.example:8443/v2/a/blobs/uploads/'), headers: { location } };
    const remote = { trust: { insecure }, endpoint: { registry: 'r.example' } };
    return readLocation(response as never, remote as never).href;
  };
  assert.equal(locate('/v2/x?_state=a%2Fb'), 'https://r.example:8443/v2/x?_state=a%2Fb');
  assert.equal(locate('http://r.example/v2/x'), 'https://r.example:8443/v2/x');
  assert.equal(locate('http://storage.example/x', true), 'http://storage.example/x');
  assert.throws(() => locate('http://storage.example/x'), fails('denied'));
  assert.throws(() => locate('file:///etc/passwd'), fails('invalid'));
  assert.throws(() => locate(undefined), fails('invalid', /does not say where/));
});

test('an abort ends a wait for the next try at once', async t => {
  const { registry, client, reference } = await setUp(t);
  registry.on({}, { status: 429, headers: { 'retry-after': '60' } });
  const started = performance.now();
  await assert.rejects(
    client.fetchManifest(reference(), { signal: AbortSignal.timeout(200) }),
    fails('cancelled'),
  );
  assert.ok(performance.now() - started < 3000);
});

test('error bodies: of any length and kind, printable, the status counts', async t => {
  const { registry, client, reference } = await setUp(t, {}, { retries: 0 });
  const bodies = ['', 'not json', '{}', '{"errors": 7}', '{"errors": [null]}', 'x'.repeat(200_000), '[]'];
  for (const body of bodies) {
    registry.on({}, { status: 404, body });
    await assert.rejects(client.fetchManifest(reference()), fails('not-found', /status 404/));
    registry.heal();
  }
  registry.on({}, { status: 404, body: { errors: [{ code: 'X', message: 'y'.repeat(5000) }] } });
  await assert.rejects(client.fetchManifest(reference()), error => {
    assert.ok((error as Error).message.length < 1000);
    assert.equal((error as ShaleError).detail.code, 'X');
    return true;
  });
});

test('mirrors: tried in order, each with its own credentials, the registry itself last', async t => {
  await using first = await startFakeRegistry({ auth: { kind: 'basic', username: 'm', password: 'mirror' } });
  await using second = await startFakeRegistry();
  await using origin = await startFakeRegistry({
    auth: { kind: 'basic', username: 'o', password: 'origin' },
  });
  const { digest } = origin.put('a/b:1', noisyImage([1]));
  second.put('a/b:1', noisyImage([1]));
  const options = isolated(t);
  const basic = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
  const auths = { [first.host]: basic('m:mirror'), [origin.host]: basic('o:origin') };
  writeFileSync(options.authFile!, JSON.stringify({ auths }));
  const table = [first, second].map(({ host }) => `[[registry.mirror]]\nlocation = "${host}"\n`).join('');
  writeFileSync(options.registriesConf!, `[[registry]]\nlocation = "${origin.host}"\n${table}`);
  const reference = parseReference(`${origin.host}/a/b:1`);
  {
    await using client = createRegistryClient(options);
    // The first has not got it: 404 goes on to the next.
    assert.equal((await client.fetchManifest(reference)).descriptor.digest, digest);
    assert.ok(first.requests.some(({ headers }) => headers.authorization?.startsWith('Basic ')));
    assert.equal(origin.requests.length, 0);
    second.on({}, { status: 500 });
    assert.equal((await client.fetchManifest(reference)).descriptor.digest, digest);
    const used = [first, second, origin].map(
      ({ requests }) => new Set(requests.map(({ headers }) => headers.authorization)),
    );
    assert.deepEqual([...used[0]!].filter(Boolean), [`Basic ${basic('m:mirror').auth}`]);
    assert.deepEqual([...used[1]!].filter(Boolean), []);
    assert.deepEqual([...used[2]!].filter(Boolean), [`Basic ${basic('o:origin').auth}`]);
    // One that fails is left alone for a while.
    const before = second.requests.length;
    await client.fetchManifest(reference);
    assert.equal(second.requests.length, before);
  }
  second.heal();
  await using client = createRegistryClient(options);
  second.on({ path: '/manifests/' }, { corruptAt: 5 });
  assert.equal((await client.fetchManifest(reference)).descriptor.digest, digest);
  // Writes never go to a mirror.
  const bytes = Buffer.from('new');
  const name = { registry: origin.host, repository: 'a/b' };
  await client.pushBlob(name, descriptorOf(bytes), from(bytes));
  assert.equal(
    [...first.requests, ...second.requests].filter(({ method }) => method !== 'GET' && method !== 'HEAD')
      .length,
    0,
  );
  await assert.rejects(client.fetchManifest({ ...reference, tag: 'none' }), error => {
    assert.equal(((error as ShaleError).detail.mirrors as unknown[]).length, 2);
    return fails('not-found')(error);
  });
});

test('pushing a blob: there already, mounted, whole, in pieces, relative and absolute locations', async t => {
  for (const absoluteLocations of [false, true]) {
    const { registry, client, name } = await setUp(t, { absoluteLocations, mounts: !absoluteLocations });
    const bytes = noise(100_000);
    const blob = descriptorOf(bytes);
    const push = (repository: string, options: Parameters<RegistryClient['pushBlob']>[3] = {}) =>
      client.pushBlob({ ...name, repository }, blob, from(bytes), options);
    const progress: number[] = [];
    assert.equal(await push('whole', { onProgress: sent => void progress.push(sent) }), 'pushed');
    assert.equal(progress.at(-1), bytes.length);
    assert.equal(await push('whole'), 'exists');
    assert.equal(await push('mounted', { from: 'whole' }), absoluteLocations ? 'pushed' : 'mounted');
    assert.equal(await push('pieces', { mode: 'chunked', chunkBytes: 30_000 }), 'pushed');
    const pieces = registry.find({ method: 'PATCH', path: '/pieces/' });
    assert.deepEqual(
      pieces.map(({ headers }) => headers['content-range']),
      ['0-29999', '30000-59999', '60000-89999', '90000-99999'],
    );
    for (const repository of ['whole', 'pieces', 'mounted']) {
      assert.equal(await client.hasBlob({ ...name, repository }, blob), true);
    }
    const empty = descriptorOf(Buffer.alloc(0));
    for (const mode of ['monolithic', 'chunked'] as const) {
      assert.equal(
        await client.pushBlob({ ...name, repository: `empty-${mode}` }, empty, from(Buffer.alloc(0)), {
          mode,
        }),
        'pushed',
      );
    }
  }
  const { registry, client, name } = await setUp(t, { minimumChunk: 40_000 });
  const bytes = noise(100_000, 2);
  await client.pushBlob(name, descriptorOf(bytes), from(bytes), { mode: 'chunked', chunkBytes: 1000 });
  assert.ok(registry.contents.blobs.get(descriptorOf(bytes).digest)?.equals(bytes));
});

test('a broken upload goes on where the registry says, or begins anew; what fails is cancelled', async t => {
  const { registry, client, name } = await setUp(t);
  const bytes = noise(100_000, 3);
  const blob = descriptorOf(bytes);
  const offsets: number[] = [];
  const open = (offset: number) => {
    offsets.push(offset);
    return from(bytes)(offset);
  };
  registry.on({ method: 'PATCH', nth: 2 }, { resetRequestAfter: 12_345 });
  assert.equal(await client.pushBlob(name, blob, open, { mode: 'chunked', chunkBytes: 40_000 }), 'pushed');
  assert.deepEqual(offsets, [0, 40_000, 52_345, 92_345]);
  registry.heal();

  registry.on({ method: 'PUT', path: '/whole/', nth: 1 }, { resetRequestAfter: 50_000 });
  const whole = { ...name, repository: 'whole' };
  assert.equal(await client.pushBlob(whole, blob, open), 'pushed');
  assert.equal(registry.find({ method: 'POST', path: '/whole/' }).length, 2);
  assert.equal(registry.find({ method: 'DELETE', path: '/whole/' }).length, 1);

  const refused = { ...name, repository: 'refused' };
  const other = { ...blob, digest: descriptorOf(Buffer.from('other')).digest };
  await assert.rejects(client.pushBlob(refused, other, open), fails('invalid', /DIGEST_INVALID/));
  assert.equal(registry.find({ method: 'PUT', path: '/refused/' }).length, 1);
  const short = { ...name, repository: 'short' };
  await assert.rejects(
    client.pushBlob(short, { ...blob, size: bytes.length + 1 }, open),
    fails('corrupt', /too early/),
  );

  const stopped = { ...name, repository: 'stopped' };
  const controller = new AbortController();
  registry.on({ method: 'PATCH', path: '/stopped/' }, { silentAfter: -1 });
  setTimeout(() => controller.abort(), 200);
  await assert.rejects(
    client.pushBlob(stopped, blob, open, { mode: 'chunked', signal: controller.signal }),
    fails('cancelled'),
  );
  assert.equal(registry.find({ method: 'DELETE', path: '/stopped/' }).length, 1);
});

test('a registry may be written in capitals: it is as insecure as it was, and as much itself', async t => {
  const auth = { kind: 'basic', username: 'u', password: 'p' } as const;
  const credential = { kind: 'basic', username: 'u', password: new Secret('p') } as const;
  const { registry, client } = await setUp(t, { auth }, { credential });
  const bytes = noise(1000);
  const name = { registry: registry.host.replace('127.0.0.1', 'LOCALHOST'), repository: 'a/b' };
  assert.equal(await client.pushBlob(name, descriptorOf(bytes), from(bytes)), 'pushed');
});

test('who gets no token for the repository to mount from uploads the blob', async t => {
  const server = await startTokenServer({ users: { u: 'p' }, denies: 'theirs' });
  t.after(() => server[Symbol.asyncDispose]());
  const credential = { kind: 'basic', username: 'u', password: new Secret('p') } as const;
  const { client, name } = await setUp(t, { auth: { kind: 'bearer', server } }, { credential });
  const bytes = noise(1000);
  assert.equal(await client.pushBlob(name, descriptorOf(bytes), from(bytes), { from: 'theirs' }), 'pushed');
});

test('an upload that leads to another host takes no credentials there', async t => {
  const { registry, client, name } = await setUp(
    t,
    { auth: { kind: 'basic', username: 'me', password: 'hunter2' } },
    { credential: { kind: 'basic', username: 'me', password: new Secret('hunter2') } },
  );
  await using storage = await startFakeRegistry();
  registry.on({ method: 'POST' }, { status: 202, headers: { location: `${storage.origin}/up?state=a%2Fb` } });
  storage.on({}, { status: 201 });
  const bytes = Buffer.from('content');
  await client.pushBlob(name, descriptorOf(bytes), from(bytes));
  const [request] = storage.requests;
  assert.equal(request?.headers.authorization, undefined);
  assert.deepEqual(Object.fromEntries(request!.query), { state: 'a/b', digest: descriptorOf(bytes).digest });
});

test('manifests are pushed by tag or digest; referrers are kept by the API or the tag that stands in', async t => {
  for (const api of [true, false]) {
    const { registry, client, name, reference } = await setUp(t, { referrers: api, pageSize: 2 });
    const image = registry.put('a/b:1', noisyImage([1]));
    const subject = {
      mediaType: mediaTypes.manifest,
      digest: image.manifest.digest,
      size: image.manifest.bytes.length,
    };
    const config = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: registry.contents.putBlob('a/b', Buffer.from('{}')),
      size: 2,
    };
    const digests: string[] = [];
    for (let number = 0; number < 5; number++) {
      const artifactType = `application/x.kind-${number % 2}`;
      const fields = {
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        artifactType,
        config,
        layers: [],
        subject,
        annotations: { number: String(number) },
      };
      const bytes = Buffer.from(JSON.stringify(fields));
      const pushed = await client.pushManifest(
        name,
        bytes,
        mediaTypes.manifest,
        number === 0 ? { tag: 'signature' } : {},
      );
      assert.equal(pushed.digest, `sha256:${sha256(bytes)}`);
      digests.push(pushed.digest);
    }
    assert.equal((await client.resolve(reference('a/b:signature'))).digest, digests[0]);
    const target = parseDigest(image.manifest.digest);
    const all = await client.referrers(name, target);
    assert.deepEqual(all.map(({ digest }) => digest).sort(), [...digests].sort());
    const some = await client.referrers(name, target, { artifactType: 'application/x.kind-1' });
    assert.deepEqual(some.map(({ digest }) => digest).sort(), [digests[1], digests[3]].sort());
    assert.equal(some[0]?.artifactType, 'application/x.kind-1');
    assert.ok(some[0]?.annotations.number);
    assert.deepEqual(await client.referrers(name, parseDigest(digests[4]!)), []);
    assert.equal(registry.contents.repository('a/b').tags.has(referrersTag(target)), !api);
  }
});

test('a registry that stores another manifest than was sent is found out', async t => {
  const { registry, client, name } = await setUp(t);
  const image = registry.put('a/b:1', noisyImage([1]));
  registry.on({ method: 'PUT' }, { headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } });
  await assert.rejects(
    client.pushManifest(name, image.manifest.bytes, mediaTypes.manifest, { tag: '2' }),
    fails('corrupt'),
  );
});

test('tags: all pages, on this host only, with an end', async t => {
  const { registry, client, name } = await setUp(t, { pageSize: 3 });
  const wanted = Array.from({ length: 10 }, (_, index) => `tag-${index}`);
  for (const tag of wanted) registry.contents.putManifest('a/b', mediaTypes.manifest, {}, tag);
  const list = async () => {
    const found: string[] = [];
    for await (const tag of client.tags(name)) found.push(tag);
    return found;
  };
  assert.deepEqual(await list(), wanted);
  for (const link of [
    '<http://elsewhere.example/v2/a/b/tags/list?last=x>; rel="next"',
    '</v2/a/b/tags/list?n=1000>; rel="next"',
  ]) {
    registry.on({ path: '/tags/list' }, { headers: { link } });
    await assert.rejects(list(), fails('invalid'));
    registry.heal();
  }
  registry.on({ path: '/tags/list' }, { body: { name: 'a/b', tags: null } });
  assert.deepEqual(await list(), []);
});

test('deleting manifests, tags and blobs', async t => {
  const { registry, client, name, reference } = await setUp(t);
  const image = registry.put('a/b:1', noisyImage([1]));
  const blob = parseDigest(image.layers[0]!.digest);
  await client.deleteBlob(name, blob);
  await assert.rejects(client.deleteBlob(name, blob), fails('not-found'));
  await client.deleteManifest(reference());
  await assert.rejects(client.resolve(reference()), fails('not-found'));
  await client.deleteManifest(withDigest(reference(), image.digest));
  registry.on({}, { status: 405, body: { errors: [{ code: 'UNSUPPORTED' }] } });
  await assert.rejects(client.deleteManifest(reference()), fails('unsupported'));
});

for (const [title, real] of [
  ['plain', {}],
  ['htpasswd and TLS', { auth: 'htpasswd', tls: true }],
  ['tokens', { auth: 'token' }],
] as const) {
  test(`docker-registry, ${title}: what skopeo pushed and what we push`, {
    skip: requires(realRegistry),
  }, async t => {
    await using registry = await startRegistry(real);
    const reference = parseReference(await pushImage(registry, 'from/skopeo:1', noisyImage([1, 2])));
    const certDir = registry.certDir === undefined ? {} : { certDir: registry.certDir, certsDirs: undefined };
    await using client = createRegistryClient({ ...isolated(t), ...certDir, authFile: registry.authFile });
    const name = { registry: registry.host, repository: 'from/skopeo' };
    const manifest = await client.fetchManifest(reference);
    assert.deepEqual(await client.resolve(reference), manifest.descriptor);
    const document = JSON.parse(Buffer.from(manifest.bytes).toString());
    const blobs: Descriptor[] = [document.config, ...document.layers].map(fields => ({
      ...descriptorOf(Buffer.alloc(0)),
      ...fields,
    }));
    const target = { registry: registry.host, repository: 'from/us' };
    for (const [index, blob] of blobs.entries()) {
      const bytes = await readAll((await client.openBlob(name, blob)).body);
      assert.equal(`sha256:${sha256(bytes)}`, blob.digest);
      const middle = await client.openBlob(name, blob, { start: 10, end: 20 });
      assert.deepEqual(await readAll(middle.body), bytes.subarray(10, 20));
      const mode = index % 2 === 0 ? ('monolithic' as const) : ('chunked' as const);
      assert.equal(await client.pushBlob(target, blob, from(bytes), { mode, chunkBytes: 20_000 }), 'pushed');
      assert.equal(await client.pushBlob(target, blob, from(bytes)), 'exists');
      const mounted = { ...target, repository: 'from/mount' };
      assert.equal(await client.pushBlob(mounted, blob, from(bytes), { from: 'from/us' }), 'mounted');
    }
    await client.pushManifest(target, manifest.bytes, manifest.descriptor.mediaType, { tag: '2' });
    const inspected = JSON.parse(
      await skopeo('inspect', ...registry.skopeo(), `docker://${registry.host}/from/us:2`),
    );
    assert.equal(inspected.Digest, manifest.descriptor.digest);
    assert.deepEqual(
      inspected.Layers,
      blobs.slice(1).map(({ digest }) => digest),
    );
    const tags: string[] = [];
    for await (const tag of client.tags(target)) tags.push(tag);
    assert.deepEqual(tags, ['2']);
    assert.deepEqual(await client.referrers(target, manifest.descriptor.digest), []);
    await client.check(registry.host);
    await client.deleteManifest({ ...target, tag: undefined, digest: manifest.descriptor.digest });
    await assert.rejects(client.resolve({ ...target, tag: '2', digest: undefined }), fails('not-found'));
    if (real !== undefined && 'auth' in real) {
      const wrong = { kind: 'basic', username, password: new Secret(`${password}!`) } as const;
      await using liar = createRegistryClient({ ...isolated(t), ...certDir, credential: wrong });
      await assert.rejects(liar.check(registry.host), fails('unauthenticated'));
    }
    if ('tls' in real) {
      // By its name alone a host on this machine counts as insecure; another registry's CA says nothing of it.
      await using stranger = createRegistryClient({ ...isolated(t), authFile: registry.authFile });
      await stranger.check(registry.host);
    }
  });
}
