import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  checkCache,
  collectGarbage,
  diskUsage,
  listImages,
  removeImages,
  tagImage,
} from '../../src/engine/cache/index.ts';
import { pull } from '../../src/engine/pull.ts';
import { openStore } from '../../src/store/index.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';
import { createSample, put } from '../store/sample.ts';
import { Scratch } from './scratch.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);
const arm = createSample('docker.io/library/app:1', [1, 3], { platform: 'linux/arm64' });

test('images, tags, removal: what is asked for by name, digits and platform', async () => {
  using scratch = new Scratch();
  const root = scratch.file('root');
  {
    using store = await openStore({ root });
    for (const sample of [arm, app]) await put(store, sample);
    const key = { manifest: app.image.manifest, format: 'squashfs', options: {}, versions: {} };
    using draft = store.createArtifact(key, 'sqfs');
    writeFileSync(draft.path, 'hsqs');
    await draft.commit({ size: 4 });
  }
  const images = await listImages({ root });
  assert.deepEqual(
    images.map(({ reference, platform, artifacts }) => [
      reference,
      platform,
      artifacts.map(({ bytes }) => bytes),
    ]),
    [
      ['docker.io/library/app:1', 'linux/amd64', [4]],
      ['docker.io/library/app:1', 'linux/arm64', []],
    ],
  );
  assert.equal(images[0]!.manifestDigest, app.image.manifest);
  assert.equal(images[0]!.pulled, new Date(images[0]!.pulled).toISOString());
  const tagged = await tagImage('app:1', 'mine', { root, platform: 'amd64' });
  assert.deepEqual(
    tagged.map(({ reference, platform }) => [reference, platform]),
    [['docker.io/library/mine:latest', 'linux/amd64']],
  );
  await assert.rejects(removeImages(['mine', 'nowhere'], { root }), { code: 'not-found' });
  assert.equal((await listImages({ root })).length, 3, 'all or nothing');
  const arms = await removeImages(['app:1'], { root, platform: 'linux/arm64' });
  assert.equal(arms.images.length, 1);
  assert.ok(arms.freedBytes > 0);
  const both = await removeImages([app.image.manifest.slice(7, 19)], { root });
  assert.deepEqual(both.images.map(({ reference }) => reference).sort(), [
    'docker.io/library/app:1',
    'docker.io/library/mine:latest',
  ]);
  assert.deepEqual((await collectGarbage({ root, dryRun: true })).removed, [], 'rm has freed it all');
  const { rows } = await diskUsage({ root });
  assert.equal(rows.find(({ kind }) => kind === 'artifacts')?.bytes, 0);
});

test('fsck fetches again what is damaged, by digest', async () => {
  using scratch = new Scratch();
  const root = scratch.file('root');
  await using registry = await startFakeRegistry();
  registry.put('app:1', noisyImage([1, 2]));
  const reference = `${registry.host}/app:1`;
  const pulled = await pull(reference, { root });
  // The name stands for something else by now.
  registry.put('app:1', noisyImage([3]));
  const blob = (digest: string) => path.join(root, 'blobs', digest.replace(':', '/'));
  const [layer] = pulled.layers;
  const bytes = readFileSync(blob(layer!.digest));
  bytes[1000]! ^= 1;
  writeFileSync(blob(layer!.digest), bytes);
  rmSync(blob(pulled.manifestDigest));
  const [image] = await listImages({ root });
  writeFileSync(blob(image!.configDigest), '{}');
  rmSync(pulled.artifact!.path);
  const told = await checkCache({ root });
  assert.deepEqual(new Set(told.damaged.map(({ action }) => action)), new Set(['none']));
  assert.equal(told.damaged.length, 4);
  assert.equal(existsSync(blob(pulled.manifestDigest)), false);
  const events: number[] = [];
  const mended = await checkCache({ root, repair: true, onProgress: ({ checked }) => events.push(checked) });
  assert.deepEqual(mended.damaged.map(({ kind, action }) => `${kind} ${action}`).sort(), [
    'artifact dropped',
    'blob refetched',
    'blob refetched',
    'blob refetched',
  ]);
  assert.ok(events.length > 0);
  assert.deepEqual((await checkCache({ root })).damaged, []);
  const again = await pull(reference, { root, policy: 'never' });
  assert.equal(again.artifact?.digest, pulled.artifact?.digest);
  assert.deepEqual((await collectGarbage({ root })).removed, []);
});

test('fsck without a registry that answers drops, and says so', async () => {
  using scratch = new Scratch();
  const root = scratch.file('root');
  let reference: string;
  {
    await using registry = await startFakeRegistry();
    registry.put('app:1', noisyImage([1]));
    reference = `${registry.host}/app:1`;
    await pull(reference, { root, format: 'none' });
  }
  const [image] = await listImages({ root });
  const file = path.join(root, 'blobs', image!.configDigest.replace(':', '/'));
  writeFileSync(file, '{}');
  const { damaged } = await checkCache({ root, repair: true, retries: 0 });
  assert.deepEqual(
    damaged.map(({ name, action }) => [name, action]),
    [[image!.configDigest, 'none']],
  );
  assert.match(damaged[0]!.problem, /fetching it again failed/);
  assert.equal(
    (await listImages({ root }))[0]?.reference,
    reference,
    'its name stays: the next pull mends it',
  );
});
