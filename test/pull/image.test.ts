/** Images by their references: which of those that the cache has is meant, and manifests that nobody means well. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { mediaTypes, parsePlatform, parseReference } from '../../src/oci/index.ts';
import { openPulled, type PullOptions } from '../../src/pull/index.ts';
import { createRegistryClient } from '../../src/registry/index.ts';
import { openStore } from '../../src/store/index.ts';
import { type Fields, Files } from '../archive/fixture.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { multiPlatform } from '../registry/image.ts';

async function setUp(t: TestContext) {
  const scratch = mkdtempSync(path.join(tmpdir(), 'shale-image-'));
  const authFile = path.join(scratch, 'auth.json');
  writeFileSync(authFile, '{}');
  const registry = await startFakeRegistry();
  const store = await openStore({ root: path.join(scratch, 'cache') });
  const client = createRegistryClient({ authFile, retries: 0 });
  t.after(async () => {
    await client[Symbol.asyncDispose]();
    store[Symbol.dispose]();
    await registry[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });
  const open = (name: string, options: Partial<PullOptions> = {}) =>
    openPulled(parseReference(`${registry.host}/${name}`), {
      ...{ store, connect: async () => client, policy: 'always', host: parsePlatform('linux/amd64') },
      ...options,
    });
  const pull = async (name: string, options: Partial<PullOptions> = {}) => {
    await using image = await open(name, options);
    await image.fetchAll();
    await image.keep();
    return image;
  };
  return { registry, store, open, pull };
}

test('what another has brought meanwhile is not missing', async t => {
  const { registry, open, pull } = await setUp(t);
  registry.put('app:1', multiPlatform().files);
  await using waiting = await open('app:1');
  await pull('app:1');
  await waiting.fetchAll();
  await waiting.keep();
  assert.equal(waiting.fetched, 0);
});

test('a manifest that the cache has by the name of its index is itself by its own digest', async t => {
  const { registry, pull } = await setUp(t);
  const { files, index, amd, arm } = multiPlatform();
  registry.put('app:1', files);
  for (const [{ digest }, platform] of [[amd, 'linux/amd64'] as const, [arm, 'linux/arm64'] as const]) {
    const tagged = await pull('app:1', { platform: parsePlatform(platform) });
    assert.equal(tagged.target, index.digest);
    registry.forget();
    // Also that of another machine: by its digest nothing else can be meant.
    const image = await pull(`app@${digest}`, { policy: 'never' });
    assert.deepEqual([image.target, image.manifestDigest], [digest, digest]);
    assert.equal(registry.requests.length, 0);
  }
});

test('a tag that has stood for other machines’ images can stand for this one’s', async t => {
  const { registry, pull } = await setUp(t);
  for (const architecture of ['arm64', 's390x', 'amd64']) {
    const files = new Files();
    files.layout(files.image([architecture], { config: { architecture } }));
    registry.put('app:1', files);
    const { platform } = await pull('app:1');
    assert.equal(platform.architecture, architecture);
    const again = await pull('app:1', { policy: 'if-not-present' });
    assert.equal(again.platform.architecture, architecture);
  }
});

test('one blob with two sizes is refused', async t => {
  const { registry, open } = await setUp(t);
  const files = new Files();
  const layer = files.blob(mediaTypes.layer, Buffer.from('layer'));
  const layers = [{ ...layer, size: 6 }, layer];
  files.layout(
    files.image(['layer'], {
      manifest: { layers },
      config: { rootfs: { type: 'layers', diff_ids: [layer.digest, layer.digest] } },
    }),
  );
  registry.put('app:1', files);
  await assert.rejects(open('app:1'), { code: 'invalid', message: /two sizes/ });
});

test('an index with more paths than anybody could follow is followed all the same', {
  timeout: 20_000,
}, async t => {
  const { registry, open } = await setUp(t);
  const { files, amd, arm } = multiPlatform();
  registry.put('app:1', files);
  let level: Fields[] = [amd, arm].map(({ layer: _, ...entry }) => entry);
  for (let depth = 0; depth < 8; depth++) {
    level = Array.from({ length: depth < 7 ? 20 : 1 }, (_, at) => {
      const index = { schemaVersion: 2, annotations: { at: `${depth}.${at}` }, manifests: level };
      const digest = registry.contents.putManifest('app', mediaTypes.index, index, 'many');
      return { mediaType: mediaTypes.index, digest, size: JSON.stringify(index).length };
    });
  }
  await using image = await open('app:many');
  assert.equal(image.manifestDigest, amd.digest);
});
