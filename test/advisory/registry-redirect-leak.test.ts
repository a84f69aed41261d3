import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Cache } from '../registry/cache.ts';
import { type FakeRegistryOptions, startFakeRegistry, startTokenServer } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';

// Registries redirect to storage of other owners, and say where uploads go. Neither may ever see what opens the registry.

const [username, password] = ['victim', 'hunter2-hunter2'];
const encoded = Buffer.from(`${username}:${password}`).toString('base64');

for (const kind of ['basic', 'bearer'] as const) {
  test(`another origin never sees Authorization, auth ${kind}`, async () => {
    await using server = await startTokenServer({ users: { [username]: password } });
    const auth: FakeRegistryOptions['auth'] =
      kind === 'basic' ? { kind, username, password } : { kind, server };
    await using registry = await startFakeRegistry({ auth });
    await using elsewhere = await startFakeRegistry();
    using cache = new Cache();
    const image = registry.put('app:1', noisyImage([1, 2]));
    elsewhere.put('app:1', noisyImage([1, 2]));
    const authFile = cache.file('auth.json');
    writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: { auth: encoded } } }));
    const access = ['--authfile', authFile, '--retries', '0'];

    for (const digest of [image.config, ...image.layers.map(layer => layer.digest)]) {
      registry.on(
        { method: 'GET', path: digest },
        { redirect: `${elsewhere.origin}/v2/app/blobs/${digest}?key=s3cret` },
      );
    }
    await cache.ok(['pull', `${registry.host}/app:1`, '--format', 'none', ...access]);
    assert.equal(elsewhere.find({ path: '/blobs/' }).length, 3);

    // Storage that denies: the signed URL is a secret of its own.
    elsewhere.on({ path: '/blobs/' }, { status: 403, body: '<Error>no</Error>' });
    using other = new Cache();
    const denied = await other.run(['pull', `${registry.host}/app:1`, ...access], {
      env: { SHALE_DEBUG: '1' },
    });
    assert.notEqual(denied.status, 0);
    assert.ok(!/s3cret|hunter2/.test(denied.stderr) && !denied.stderr.includes(encoded), denied.stderr);

    // An upload that the registry wants somewhere else.
    elsewhere.heal();
    registry.heal();
    registry.on(
      { method: 'POST', path: '/v2/new/blobs/uploads/' },
      { status: 202, headers: { location: `${elsewhere.origin}/v2/new/blobs/uploads/x?key=s3cret` } },
    );
    const pushed = await cache.run(['push', `${registry.host}/app:1`, `${registry.host}/new:1`, ...access]);
    assert.notEqual(pushed.status, 0);
    assert.ok(!/s3cret|hunter2/.test(pushed.stderr), pushed.stderr);

    assert.ok(registry.requests.some(({ headers }) => headers.authorization !== undefined));
    for (const { headers } of elsewhere.requests) {
      assert.deepEqual([headers.authorization, headers.cookie], [undefined, undefined]);
    }
  });
}
