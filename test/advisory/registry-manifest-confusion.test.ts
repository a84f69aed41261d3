import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes } from '../../src/oci/index.ts';
import { Cache } from '../registry/cache.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';

// CVE-2021-41190: one document that is a manifest to one reader and an index to another, under the same digest.

const documents = {
  'both layers and manifests, as a manifest': [mediaTypes.manifest, {}],
  'both layers and manifests, as an index': [mediaTypes.index, {}],
  'a mediaType that contradicts the Content-Type': [
    mediaTypes.index,
    { manifests: undefined, mediaType: mediaTypes.manifest },
  ],
  'no layers, under the type of a manifest': [
    mediaTypes.manifest,
    { config: undefined, layers: undefined, mediaType: mediaTypes.index },
  ],
} as const;

for (const [what, [contentType, bent]] of Object.entries(documents)) {
  test(`refused: ${what}`, async () => {
    await using registry = await startFakeRegistry();
    using cache = new Cache();
    const good = registry.put('app:good', noisyImage([1]));
    const fields = JSON.parse(good.manifest.bytes.toString()) as object;
    const child = { mediaType: mediaTypes.manifest, digest: good.digest, size: good.manifest.bytes.length };
    const platform = { os: 'linux', architecture: 'amd64' };
    const document = { ...fields, manifests: [{ ...child, platform }], ...bent };
    registry.contents.putManifest('app', contentType, document, 'bad');
    const refused = async (...args: string[]) => {
      const { status, stderr } = await cache.run([...args, '--retries', '0']);
      assert.ok([3, 8, 9].includes(status ?? -1), `${args.join(' ')}: status ${status}\n${stderr}`);
    };
    await refused('pull', `${registry.host}/app:bad`);
    await refused('copy', `docker://${registry.host}/app:bad`, `oci:${cache.file('copy')}`);
    assert.deepEqual(registry.find({ path: '/blobs/' }), []);
  });
}
