import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { requires } from '../requirement.ts';
import { Gate, startFakeRegistry, startTokenServer } from './fake.ts';
import { noisyImage, skopeo } from './image.ts';

// What other tests rely on: that the fake is a registry to a client that we did not write, and that its faults are real.

for (const kind of ['none', 'basic', 'bearer'] as const) {
  test(`skopeo copies within a fake registry, auth ${kind}`, {
    skip: requires({ tools: ['skopeo'] }),
  }, async () => {
    await using server = await startTokenServer({ users: { me: 'secret' } });
    const auth = {
      none: undefined,
      basic: { kind: 'basic', username: 'me', password: 'secret' },
      bearer: { kind: 'bearer', server },
    } as const;
    await using registry = await startFakeRegistry({ auth: auth[kind], absoluteLocations: kind === 'basic' });
    const image = registry.put('from/here:1', noisyImage([1, 2]));
    const options = (prefix: string) => [
      `--${prefix}tls-verify=false`,
      ...(kind === 'none' ? [] : [`--${prefix}creds=me:secret`]),
    ];
    const [source, target] = ['from/here:1', 'to/there:2'].map(
      name => `docker://${registry.host}/${name}`,
    ) as [string, string];
    await skopeo('copy', '-q', '--preserve-digests', ...options('src-'), ...options('dest-'), source, target);
    const seen = await skopeo('inspect', ...options(''), '--format', '{{.Digest}} {{.RepoTags}}', target);
    assert.equal(seen.trim(), `${image.digest} [2]`);
    assert.equal(registry.contents.repositories.get('to/there')?.blobs.size, 3);
    if (kind !== 'none') {
      const denied = registry.find({}).filter(({ headers }) => headers.authorization === undefined);
      assert.deepEqual(new Set(denied.map(({ status }) => status)), new Set([401]));
    }
  });
}

async function startWithBlob() {
  const registry = await startFakeRegistry();
  const bytes = Buffer.from('0123456789'.repeat(10_000));
  const digest = registry.contents.putBlob('a', bytes);
  const get = async (headers: Record<string, string> = {}) => {
    const response = await fetch(`${registry.origin}/v2/a/blobs/${digest}`, { headers });
    const chunks: Uint8Array[] = [];
    let error: unknown;
    try {
      for await (const chunk of response.body ?? []) chunks.push(chunk);
    } catch (caught) {
      error = caught;
    }
    return { status: response.status, headers: response.headers, body: Buffer.concat(chunks), error };
  };
  return Object.assign(registry, { bytes, digest, get });
}

test('faults strike the requests that they name', async () => {
  await using registry = await startWithBlob();
  const { bytes, get } = registry;
  registry.on({ path: '/blobs/', nth: 1 }, { status: 429, headers: { 'retry-after': '2' }, body: 'later' });
  registry.on({ path: /blobs\/sha256:/, times: 1 }, { resetAfter: 70_001 });
  registry.on({ method: 'GET', nth: 1 }, { corruptAt: 3 });

  const [busy, reset, corrupt, right] = [await get(), await get(), await get(), await get()];
  assert.deepEqual([busy.status, busy.headers.get('retry-after'), String(busy.body)], [429, '2', 'later']);
  assert.equal(((reset.error as Error).cause as NodeJS.ErrnoException).code, 'ECONNRESET');
  assert.deepEqual(reset.body, bytes.subarray(0, 70_001));
  assert.deepEqual([corrupt.body[2], corrupt.body[3], corrupt.body[4]], [0x32, 255 - 0x33, 0x34]);
  assert.deepEqual([right.status, right.body], [200, bytes]);
  assert.equal(registry.sentOf(registry.digest), 70_001 + 2 * bytes.length);
});

test('ranges are given, refused or ignored', async () => {
  await using registry = await startWithBlob();
  const { bytes, get } = registry;
  const middle = await get({ range: 'bytes=10-19' });
  assert.deepEqual([middle.status, middle.headers.get('content-range')], [206, 'bytes 10-19/100000']);
  assert.deepEqual(middle.body, bytes.subarray(10, 20));
  assert.deepEqual((await get({ range: 'bytes=99999-' })).body, bytes.subarray(99_999));
  assert.equal((await get({ range: 'bytes=100000-' })).status, 416);
  registry.on({}, { ignoreRange: true });
  const ignored = await get({ range: 'bytes=10-19' });
  assert.deepEqual([ignored.status, ignored.body], [200, bytes]);
});

test('bodies stop, crawl and wait at gates', async () => {
  await using registry = await startWithBlob();
  const { bytes, get } = registry;
  const gate = new Gate();
  registry.on({ nth: 1 }, { gate, gateAfter: 50_000 });
  const held = get();
  await gate.arrived();
  assert.equal(registry.requests[0]?.sent, 50_000);
  assert.equal(await Promise.race([held.then(() => 'ended'), sleep(50, 'held')]), 'held');
  gate.open();
  assert.deepEqual((await held).body, bytes);

  registry.heal();
  registry.on({ nth: 1 }, { silentAfter: 5 });
  const silent = get();
  assert.equal(await Promise.race([silent.then(() => 'ended'), sleep(100, 'silent')]), 'silent');

  const closed = registry.on({}, { closeAfter: 9 });
  const cut = await get();
  assert.deepEqual([cut.body.length, cut.error !== undefined, closed.hits], [9, true, 1]);
});

test('a redirect leads to a file elsewhere', async () => {
  await using storage = await startFakeRegistry();
  await using registry = await startWithBlob();
  storage.files.set('/bucket/file', registry.bytes);
  registry.on({ path: '/blobs/' }, { redirect: `${storage.origin}/bucket/file?signed=yes` });
  assert.deepEqual((await registry.get({ range: 'bytes=5-6' })).body, registry.bytes.subarray(5, 7));
  assert.equal(storage.requests[0]?.query.get('signed'), 'yes');
});
