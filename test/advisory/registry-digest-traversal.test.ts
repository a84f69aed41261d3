import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pull } from '../../src/engine/pull.ts';
import { ShaleError } from '../../src/error/index.ts';
import { mediaTypes } from '../../src/oci/index.ts';
import { Cache } from '../registry/cache.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';

// A digest becomes the name of a file in the cache (blobs/sha256/…): one with a path in it, as in CVE-2024-3727 of
// containers/image and CVE-2021-43784's kin, would write anywhere.

const hex = 'a'.repeat(64);
const digests = [
  'sha256:../../../../../escaped',
  'sha256:..',
  '../../escaped:00',
  `sha256:${hex}/../../../../escaped`,
  `sha256:${hex.toUpperCase()}`,
  `sha256:${hex}0`,
  'sha256:',
  'md5:d41d8cd98f00b204e9800998ecf8427e',
  hex,
];

for (const digest of digests) {
  test(`refused: ${digest.replace(hex, '<hex>')} as a layer, config, manifest or answer`, async () => {
    await using registry = await startFakeRegistry();
    using cache = new Cache();
    const good = registry.put('app:good', noisyImage([1]));
    type Manifest = { config: object; layers: object[] };
    const manifest = JSON.parse(good.manifest.bytes.toString()) as Manifest;
    const [layer] = manifest.layers;
    const child = {
      mediaType: mediaTypes.manifest,
      size: 500,
      platform: { os: 'linux', architecture: 'amd64' },
    };
    const { contents, host } = registry;
    contents.putManifest(
      'app',
      mediaTypes.manifest,
      { ...manifest, layers: [{ ...layer, digest }] },
      'layer',
    );
    contents.putManifest(
      'app',
      mediaTypes.manifest,
      { ...manifest, config: { ...manifest.config, digest } },
      'config',
    );
    contents.putManifest(
      'app',
      mediaTypes.index,
      { schemaVersion: 2, manifests: [{ ...child, digest }] },
      'index',
    );
    registry.on({ path: '/manifests/good' }, { headers: { 'docker-content-digest': digest } });

    for (const tag of ['layer', 'config', 'index', 'good']) {
      const name = `${host}/app:${tag}`;
      const error = await pull(name, { root: cache.root, format: 'none', retries: 0 }).then(
        () => undefined,
        caught => caught,
      );
      // A header is only a hint: whoever hashes what came may do without it.
      if (tag === 'good' && error === undefined) continue;
      assert.ok(error instanceof ShaleError, `${tag}: ${error}`);
      assert.ok(
        ['invalid', 'corrupt', 'unsupported'].includes(error.code),
        `${tag}: ${error.code} ${error.message}`,
      );
    }
    assert.deepEqual(
      registry.requests.filter(({ path: url }) => url.includes(digest)),
      [],
    );
    for (const name of readdirSync(path.dirname(cache.root)))
      assert.ok(['root', 'home'].includes(name), name);
    assert.ok(!existsSync(path.join(path.dirname(cache.root), '..', 'escaped')));
  });
}
