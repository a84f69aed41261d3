import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes } from '../../src/oci/index.ts';
import { Cache } from '../registry/cache.ts';
import { type Fault, startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';

// A manifest, or the text of an error, without end fills the memory of who reads it.

const endless = Buffer.alloc(64 * 2 ** 20, ' ');

const faults: Record<string, { readonly path: string; readonly method: string; readonly fault: Fault }> = {
  'a manifest that says so': {
    path: '/manifests/',
    method: 'GET',
    fault: { status: 200, headers: { 'content-type': mediaTypes.manifest }, body: endless },
  },
  'a manifest of unknown length': {
    path: '/manifests/',
    method: 'GET',
    fault: { status: 200, headers: { 'content-type': mediaTypes.manifest }, body: endless, unsized: true },
  },
  "an error's text": {
    path: '/manifests/',
    method: 'GET',
    fault: { status: 500, body: endless, unsized: true },
  },
};

for (const [what, { path, method, fault }] of Object.entries(faults)) {
  test(`${what}, without end, is not read to it`, async () => {
    await using registry = await startFakeRegistry();
    using cache = new Cache();
    registry.put('app:1', noisyImage([1]));
    // In steps, so that what was sent is what somebody was ready to take, but for the kernel's buffers.
    registry.on({ path, method }, { ...fault, pace: { bytes: 2 ** 20, milliseconds: 1 } });
    // Without the size that HEAD gives.
    registry.on({ path, method: 'HEAD' }, { status: 405 });
    const { status, stderr } = await cache.run(['pull', `${registry.host}/app:1`, '--retries', '0']);
    assert.ok([3, 8, 10, 11].includes(status ?? -1), `status ${status}\n${stderr}`);
    const sent = registry.find({ method: 'GET', path }).map(record => record.sent);
    assert.ok(
      sent.every(bytes => bytes < 24 * 2 ** 20),
      `${sent} bytes were taken`,
    );
  });
}

test('a config over 4 MiB is not fetched at all', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const good = registry.put('app:1', noisyImage([1]));
  const manifest = JSON.parse(good.manifest.bytes.toString()) as { config: object };
  const digest = registry.contents.putBlob('app', endless);
  const config = { ...manifest.config, digest, size: endless.length };
  registry.contents.putManifest('app', mediaTypes.manifest, { ...manifest, config }, '1');
  const { status, stderr } = await cache.run(['pull', `${registry.host}/app:1`, '--retries', '0']);
  assert.ok([3, 8, 10].includes(status ?? -1), `status ${status}\n${stderr}`);
  assert.equal(registry.sentOf(digest), 0);
});
