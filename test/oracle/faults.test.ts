/** Registries and disks that fail while an image is pulled: what comes of it is right, or an error that says what was wrong. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pull } from '../../src/engine/pull.ts';
import { type ErrorCode, ShaleError } from '../../src/error/index.ts';
import { type Digest, parsePlatform, parseReference } from '../../src/oci/index.ts';
import { openPulled } from '../../src/pull/index.ts';
import { createRegistryClient, type RegistryOptions } from '../../src/registry/index.ts';
import { openStore } from '../../src/store/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { Cache } from '../registry/cache.ts';
import { type Fault, Gate, startFakeRegistry, startTokenServer } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const platform = parsePlatform('linux/amd64');
const files = noisyImage([1, 2], { size: 300_000 });

/** Downloads an image in this process; its blobs as they lie in the cache, proven to be what they are called. */
async function download(name: string, cache: Cache, options: RegistryOptions = {}): Promise<void> {
  await using client = await createRegistryClient(options);
  using store = await openStore({ root: cache.root });
  const connect = async () => client;
  const { retries } = options;
  await using image = await openPulled(parseReference(name), {
    ...{ store, connect, policy: 'always', host: platform, platform, retries },
  });
  await image.fetchAll();
  await image.keep();
  for (const { digest, size } of image.layers) {
    const location = store.findBlob(digest as Digest);
    assert.equal(location?.size, size);
    assert.equal(`sha256:${sha256(readFileSync(location.path))}`, digest);
  }
}

async function fails(code: ErrorCode | readonly ErrorCode[], action: Promise<unknown>): Promise<ShaleError> {
  const error = await action.then(
    () => undefined,
    caught => caught,
  );
  assert.ok(error instanceof ShaleError, `${error?.stack ?? 'it succeeded'}`);
  assert.ok([code].flat().includes(error.code), `${error.code}: ${error.message}`);
  return error;
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    assert.ok(waited < 20_000, 'waited in vain');
    await sleep(5);
  }
}

async function start(options: Parameters<typeof startFakeRegistry>[0] = {}) {
  const registry = await startFakeRegistry(options);
  const image = registry.put('app:1', files);
  const [, layer = { digest: '', size: 0 }] = image.layers;
  return Object.assign(registry, { name: `${registry.host}/app:1`, layer });
}

test('a connection that is reset, at any offset, goes on where it was', async () => {
  await using registry = await startFakeRegistry();
  const size = registry.put('r:1', files).layers[1]?.size ?? 0;
  const offsets = [-1, 0, 1, 17, 4095, 65_536, 150_001, size - 1, size];
  await Promise.all(
    offsets.flatMap(offset =>
      (['resetAfter', 'closeAfter'] as const).map(async how => {
        using cache = new Cache();
        const repository = `r/${how.toLowerCase()}/${offset + 1}`;
        const layer = registry.put(`${repository}:1`, files).layers[1]?.digest ?? '';
        const path = `/v2/${repository}/blobs/${layer}`;
        const rule = registry.on({ method: 'GET', path, nth: 1 }, { [how]: offset });
        await download(`${registry.host}/${repository}:1`, cache);
        assert.equal(rule.hits, 1);
        const sent = registry.find({ method: 'GET', path }).reduce((sum, record) => sum + record.sent, 0);
        // A reset takes with it what was on its way.
        assert.ok(how === 'closeAfter' ? sent === size : sent >= size && sent < 2 * size, `${path}: ${sent}`);
      }),
    ),
  );
});

test('a connection that breaks again and again gets to the end', async () => {
  await using registry = await start();
  using cache = new Cache();
  registry.on({ method: 'GET', path: registry.layer.digest }, { resetAfter: 60_000 });
  await download(registry.name, cache, { retries: 1 });
  assert.equal(registry.sentOf(registry.layer.digest), registry.layer.size);
});

test('a server that ignores ranges is asked for everything again', async () => {
  await using registry = await start();
  using cache = new Cache();
  registry.on({ method: 'GET', path: registry.layer.digest, nth: 1 }, { resetAfter: 100_000 });
  registry.on({ method: 'GET', path: registry.layer.digest }, { ignoreRange: true });
  await download(registry.name, cache);
  assert.equal(registry.sentOf(registry.layer.digest), 100_000 + registry.layer.size);
});

for (const format of ['squashfs', 'none'] as const) {
  test(`a wrong layer is thrown away, and not those that came beside it (${format})`, async () => {
    await using registry = await startFakeRegistry();
    using cache = new Cache();
    const { layers } = registry.put('app:1', files);
    const [good, wrong] = layers as [(typeof layers)[0], (typeof layers)[0]];
    const gate = new Gate();
    registry.on({ method: 'GET', path: wrong.digest }, { corruptAt: 1000, gate });
    const pullIt = () => pull(`${registry.host}/app:1`, { root: cache.root, format });
    const failing = fails('corrupt', pullIt());
    await waitFor(() => registry.sentOf(good.digest) === good.size);
    gate.open();
    await failing;
    registry.heal();
    registry.forget();
    await pullIt();
    assert.deepEqual([registry.sentOf(good.digest), registry.sentOf(wrong.digest)], [0, wrong.size]);
  });
}

const lies: Record<string, Fault> = {
  'a Content-Range of another place': { headers: { 'content-range': 'bytes 5-99/100' } },
  'no Content-Range': { headers: { 'content-range': undefined } },
  'a range that is shorter': { transform: body => body.subarray(0, body.length - 1000) },
  'a range that is longer': { transform: body => Buffer.concat([body, body]) },
  '416': { status: 416, headers: { 'content-range': 'bytes */5' } },
};
for (const [what, fault] of Object.entries(lies)) {
  test(`a server that answers with ${what} gives the right bytes or an error`, async () => {
    await using registry = await start();
    using cache = new Cache();
    const { digest } = registry.layer;
    registry.on({ method: 'GET', path: digest, nth: 1 }, { resetAfter: 100_000 });
    const rule = registry.on({ method: 'GET', path: digest, nth: 1 }, fault);
    const settled = download(registry.name, cache, { retries: 1 });
    await settled.catch(error =>
      assert.ok(error instanceof ShaleError && error.code !== 'internal', `${error}`),
    );
    assert.ok(rule.hits > 0);
    registry.heal();
    await download(registry.name, cache);
    assert.equal((await cache.json<{ damaged: unknown[] }>(['fsck'])).damaged.length, 0);
  });
}

const wrong: Record<string, { readonly code: ErrorCode | readonly ErrorCode[]; readonly fault: Fault }> = {
  'a byte that is wrong': { code: 'corrupt', fault: { corruptAt: 123_456 } },
  'a byte too little': { code: ['corrupt', 'unavailable'], fault: { transform: body => body.subarray(1) } },
  'a byte too much': {
    code: 'corrupt',
    fault: { transform: body => Buffer.concat([body, Buffer.from('x')]) },
  },
  'a byte too much, without a length': {
    code: 'corrupt',
    fault: { transform: body => Buffer.concat([body, Buffer.from('x')]), unsized: true },
  },
  'nothing at all': { code: ['corrupt', 'unavailable'], fault: { transform: () => Buffer.alloc(0) } },
};
for (const [what, { code, fault }] of Object.entries(wrong)) {
  test(`a blob with ${what} is refused, and nothing of it kept`, async () => {
    await using registry = await start();
    using cache = new Cache();
    registry.on({ method: 'GET', path: registry.layer.digest }, fault);
    await fails(code, download(registry.name, cache, { retries: 1 }));
    registry.heal();
    await download(registry.name, cache, { retries: 0 });
  });
}

test('a wrong byte is found by the command that renders, too', async () => {
  await using registry = await start();
  using cache = new Cache();
  registry.on({ method: 'GET', path: registry.layer.digest }, { corruptAt: 100_000 });
  const said = await cache.fails(8, ['pull', registry.name]);
  assert.match(said, new RegExp(registry.layer.digest));
  const { images } = await cache.json<{ images: unknown[] }>(['images']);
  assert.deepEqual(images, []);
  registry.heal();
  await cache.ok(['pull', registry.name]);
  assert.deepEqual((await cache.json<{ damaged: unknown[] }>(['fsck'])).damaged, []);
});

test('an earlier process left a wrong byte: the next one fetches the blob anew, by itself', async () => {
  await using registry = await start();
  using cache = new Cache();
  const { digest, size } = registry.layer;
  registry.on({ method: 'GET', path: digest }, { corruptAt: 1000, resetAfter: 200_000 });
  await fails('unavailable', download(registry.name, cache, { retries: 0 }));
  registry.heal();
  registry.forget();
  await cache.ok(['pull', registry.name]);
  assert.ok(registry.sentOf(digest) >= size);
  assert.deepEqual((await cache.json<{ damaged: unknown[] }>(['fsck'])).damaged, []);
});

for (const [what, make] of Object.entries({
  'the token is revoked': { expiresIn: 300, revoke: true },
  'the token expires': { expiresIn: 1, revoke: true },
})) {
  test(`in mid-pull ${what}: a new one is fetched`, async () => {
    await using server = await startTokenServer({ anonymous: true, expiresIn: make.expiresIn });
    await using registry = await start({ auth: { kind: 'bearer', server } });
    using cache = new Cache();
    const { digest, size } = registry.layer;
    registry.on({ method: 'GET', path: digest, nth: 1 }, { resetAfter: 100_000 });
    const downloading = download(registry.name, cache);
    await Promise.race([waitFor(() => registry.sentOf(digest) >= 100_000), downloading]);
    server.revoke();
    await downloading;
    assert.equal(registry.sentOf(digest), size);
    assert.ok(server.requests.length >= 2);
  });
}

test(`rendered while everything breaks, the squashfs is the same (SEED=${seed})`, async () => {
  const random = createRandom(seed);
  await using registry = await startFakeRegistry();
  const image = registry.put('app:1', files);
  const digests = image.layers.map(({ digest }) => digest);
  const render = async () => {
    using cache = new Cache();
    const { artifact } = await pull(`${registry.host}/app:1`, { root: cache.root, jobs: 2 });
    return sha256(readFileSync(artifact?.path ?? ''));
  };
  const expected = await render();
  for (let round = 0; round < 6; round++) {
    registry.heal();
    for (let count = 1 + random.integer(6); count > 0; count--) {
      const offset = random.integer(300_000);
      const fault = random.pick<Fault>([
        { resetAfter: offset },
        { closeAfter: offset },
        { resetAfter: -1 },
        { ignoreRange: true },
        { status: 503 },
        { status: 429, headers: { 'retry-after': '0' } },
        { pace: { bytes: 2000 + random.integer(30_000), milliseconds: 1 } },
      ]);
      registry.on(
        { path: random.pick([...digests, image.config, '/manifests/']), nth: 1 + random.integer(2) },
        fault,
      );
    }
    assert.equal(await render(), expected, `round ${round}`);
  }
});

test('a registry that wants a login after all says so', async () => {
  await using server = await startTokenServer({ anonymous: true });
  await using registry = await start({ auth: { kind: 'bearer', server } });
  using cache = new Cache();
  registry.on({ method: 'GET', path: registry.layer.digest }, { status: 401, body: '{}' });
  const said = await cache.fails(6, ['pull', registry.name]);
  assert.match(said, new RegExp(`shale login ${registry.host}`));
});

for (const path of ['/manifests/', '/blobs/']) {
  test(`429 for ${path}: waits as long as Retry-After says`, async () => {
    await using registry = await start();
    using cache = new Cache();
    registry.on({ path, nth: [1, 2] }, { status: 429, headers: { 'retry-after': '1' } });
    const begin = performance.now();
    await download(registry.name, cache);
    const took = performance.now() - begin;
    assert.ok(took >= 1000 && took < 10_000, `${took} ms`);
  });
}

test('a registry that is down for good is an error soon, and names it', async () => {
  await using registry = await start();
  using cache = new Cache();
  for (const fault of [
    { status: 503 },
    { resetAfter: -1 },
    { status: 429, headers: { 'retry-after': '0' } },
  ]) {
    registry.heal();
    registry.on({ path: '/v2/app' }, fault);
    const error = await fails('unavailable', download(registry.name, cache, { retries: 1 }));
    assert.match(error.message, new RegExp(registry.host));
  }
  await registry[Symbol.asyncDispose]();
  const error = await fails('unavailable', download(registry.name, cache, { retries: 1 }));
  assert.match(error.message, new RegExp(registry.host));
});

const silences: Record<string, Fault> = {
  'before the headers': { silentAfter: -1 },
  'after the headers': { silentAfter: 0 },
  'in mid-blob': { silentAfter: 100_000 },
};
for (const [what, fault] of Object.entries(silences)) {
  test(`a server that falls silent ${what} is asked again`, async () => {
    await using registry = await start();
    using cache = new Cache();
    const { digest, size } = registry.layer;
    const timeouts = { connect: 2000, firstByte: 400, stall: 400 };
    registry.on({ method: 'GET', path: digest, nth: 1 }, fault);
    await download(registry.name, cache, { timeouts });
    assert.equal(registry.sentOf(digest), size);

    using other = new Cache();
    registry.heal();
    registry.on(
      { method: 'GET', path: digest },
      { ...fault, silentAfter: Math.min(0, fault.silentAfter ?? 0) },
    );
    await fails('unavailable', download(registry.name, other, { timeouts, retries: 1 }));
  });
}

test('a server that sends a byte now and then can be left', async () => {
  await using registry = await start();
  using cache = new Cache();
  const { digest } = registry.layer;
  registry.on({ path: digest }, { pace: { bytes: 1, milliseconds: 20 } });
  const controller = new AbortController();
  const pulling = pull(registry.name, { root: cache.root, signal: controller.signal });
  await Promise.race([waitFor(() => registry.sentOf(digest) >= 10), pulling]);
  const begin = performance.now();
  controller.abort();
  await fails('cancelled', pulling);
  assert.ok(performance.now() - begin < 2000);
});

test('Ctrl-C ends a download, and what has come is kept', async () => {
  await using registry = await start();
  using cache = new Cache();
  const { digest, size } = registry.layer;
  registry.on({ path: digest, nth: 1 }, { silentAfter: 200_000 });
  const child = cache.start(['pull', registry.name]);
  await Promise.race([waitFor(() => registry.sentOf(digest) >= 200_000), child.ended]);
  await sleep(300);
  child.kill('SIGINT');
  const { status, stderr } = await child.ended;
  assert.equal(status, 130, stderr);
  registry.forget();
  await cache.ok(['pull', registry.name]);
  assert.equal(registry.sentOf(digest), size - 200_000);
});

test('the disk is full: an error, the partial download kept, and nothing else harmed', {
  skip: requires({ root: true, mounts: ['tmpfs'] }),
}, async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const [small, large] = [noisyImage([1]), noisyImage([1, 7], { size: 6_000_000 })];
  registry.put('small:1', small);
  const [, layer = { digest: '', size: 0 }] = registry.put('large:1', large).layers;
  mkdirSync(cache.root, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=9m,mode=0700', 'shale-test', cache.root]);
  try {
    await cache.ok(['pull', `${registry.host}/small:1`]);
    const said = await cache.fails(10, ['pull', `${registry.host}/large:1`]);
    assert.match(said, /space|full/i);
    assert.deepEqual((await cache.json<{ damaged: unknown[] }>(['fsck'])).damaged, []);
    await cache.ok(['render', `${registry.host}/small:1`, cache.file('out.sqfs'), '--policy', 'never']);

    execFileSync('mount', ['-o', 'remount,size=64m', cache.root]);
    registry.forget();
    await cache.ok(['pull', `${registry.host}/large:1`]);
    assert.ok(registry.sentOf(layer.digest) < layer.size - 500_000, 'the partial download was not kept');
    assert.deepEqual((await cache.json<{ damaged: unknown[] }>(['fsck'])).damaged, []);
  } finally {
    execFileSync('umount', [cache.root]);
  }
});
