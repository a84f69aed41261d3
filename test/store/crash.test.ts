import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { hasLibc } from '../../src/host/index.ts';
import { blobsOf, type Failpoint, formatArtifactKey, openStore, type Store } from '../../src/store/index.ts';
import { createVerityTree } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { Child, run } from './process.ts';
import { createSample, ingest, noise, put } from './sample.ts';

const skip = hasLibc() ? false : 'needs libc through koffi';
const old = createSample('docker.io/library/app:2', [1, 2]);
const tarKey = { manifest: old.image.manifest, format: 'tar', options: {}, versions: {} };
const { diffId } = old.image.layers[0]!;
const layerKey = { diffId, format: 'erofs-layer', options: {}, versions: { shale: '1' } };
const artifactKey = formatArtifactKey(tarKey);

/** What must hold of a cache after any crash, without any repair. */
async function assertSound(store: Store, what: string): Promise<void> {
  assert.deepEqual((await store.check()).damaged, [], what);
  const images = store.images();
  const index = JSON.parse(readFileSync(path.join(store.root, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(
    index.manifests.map(({ digest }) => digest),
    images.map(({ manifest }) => manifest),
    what,
  );
  for (const { path: file, manifest, diffId } of store.artifacts()) {
    assert.ok(existsSync(file), what);
    assert.ok(
      images.some(image => image.manifest === manifest) ||
        images.some(({ layers }) => layers.some(layer => layer.diffId === diffId)) ||
        what === 'images-changed' ||
        what === 'index-written' ||
        what === 'gc-moved',
      what,
    );
  }
}

/** After gc nothing is left but what images need. */
function assertTidy(store: Store, what: string): void {
  store.collectGarbage({ all: true });
  for (const name of ['ingest', 'trash', 'leases'])
    assert.deepEqual(readdirSync(path.join(store.root, name)), [], what);
  const files = [...store.artifacts(), ...store.artifacts().flatMap(each => store.findVerity(each) ?? [])];
  assert.deepEqual(
    readdirSync(path.join(store.root, 'artifacts')),
    files.map(file => path.basename(file.path)).sort(),
    what,
  );
  const needed = new Set(
    store.images().flatMap(image => blobsOf(image).map(({ digest }) => digest.slice(7))),
  );
  const blobs = path.join(store.root, 'blobs/sha256');
  assert.deepEqual(existsSync(blobs) ? readdirSync(blobs).sort() : [], [...needed].sort(), what);
  const names = readdirSync(store.root).sort();
  const usual =
    'artifacts blobs index.json ingest layers leases oci-layout shale.db shale.db-shm shale.db-wal trash';
  assert.deepEqual(names.filter(name => !['shale.lock', 'reserve'].includes(name)).join(' '), usual, what);
}

const cases: readonly (readonly [action: string, argument: string, ...points: string[]])[] = [
  ['open', '', 'layout-made', 'database-made'],
  [
    'pull',
    '1,3',
    'layout-made',
    'database-made',
    'lease-locked',
    'ingest-written',
    'ingest-synced',
    'ingest-renamed',
  ],
  ['pull', '1,3', 'ingest-renamed:3', 'ingest-written:3', 'images-changed', 'index-written'],
  ['rm', 'app:2', 'images-changed', 'index-written', 'gc-moved', 'gc-committed'],
  ['gc', '', 'gc-moved', 'gc-committed'],
  ['render', 'app:2', 'lease-locked', 'artifact-synced', 'artifact-renamed'],
  ['convert', diffId, 'lease-locked', 'artifact-synced', 'artifact-renamed', 'verity-renamed'],
  ['hash', artifactKey, 'lease-locked', 'verity-renamed'],
];

test('killed at any instant that matters', { skip, concurrency: 4 }, async t => {
  const each = cases.flatMap(([action, argument, ...points]) =>
    points.map(point => t.test(`${point} of ${action}`, () => crash(action, argument, point))),
  );
  await Promise.all(each);
});

async function crash(action: string, argument: string, point: string): Promise<void> {
  using scratch = createScratch();
  const root = scratch.at('root');
  const creates = point === 'layout-made' || point === 'database-made';
  if (!creates) {
    using store = await openStore({ root });
    await put(store, old);
    await store.putLayerIndex(old.image.layers[0]!.diffId, Buffer.from('index'));
    if (action === 'rm' || action === 'hash') {
      using draft = store.createArtifact(tarKey, 'tar');
      writeFileSync(draft.path, noise(1, 8192));
      const artifact = await draft.commit({ size: 8192 });
      const make = (tree: string) => createVerityTree({ data: artifact.path, tree, salt: Buffer.alloc(0) });
      if (action === 'rm') {
        await store.putVerity(artifact, make);
        using layer = store.createArtifact(layerKey, 'erofs');
        writeFileSync(layer.path, noise(2, 4096));
        await layer.commit({ size: 4096 });
      }
    }
    if (action === 'gc') for (const seed of [50, 51]) await ingest(store, noise(seed, 4000));
  }
  const ended = await run(root, action, argument, point);
  assert.equal(ended.signal, 'SIGKILL', `${point} was not reached: ${ended.errors}`);
  using store = await openStore({ root });
  await assertSound(store, point);
  if (!creates && action !== 'rm') assert.equal(store.findImages('app:2').length, 1);
  assertTidy(store, point);
  await assertSound(store, point);
  const again = await run(root, action, argument);
  assert.deepEqual([again.status, again.errors], [0, '']);
  await assertSound(store, point);
  if (action === 'pull') assert.equal(store.findImages('app:3').length, 1);
  if (action === 'rm') assert.deepEqual(store.images(), []);
  if (action === 'convert') assert.ok(store.findVerity(store.findArtifact(layerKey)!));
  if (action === 'hash') assert.ok(store.findVerity(store.findArtifact(tarKey)!));
}

test('nothing that was complete is fetched again', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const sample = createSample('docker.io/library/app:3', [1, 2, 3]);
  const ended = await run(root, 'pull', '1,2,3', 'ingest-renamed:3');
  assert.equal(ended.signal, 'SIGKILL');
  using store = await openStore({ root });
  store.collectGarbage();
  const there = [...sample.blobs.keys()].filter(digest => store.findBlob(digest) !== undefined);
  assert.equal(there.length, 3);
});

test('processes that come and are killed, at random', { skip }, async t => {
  const seed = readSeed();
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const root = scratch.at('root');
  const points: readonly Failpoint[] = [
    ...([
      'layout-made',
      'database-made',
      'lease-locked',
      'ingest-written',
      'ingest-synced',
      'ingest-renamed',
    ] as const),
    ...(['images-changed', 'index-written', 'gc-moved', 'gc-committed'] as const),
  ];
  for (let round = 0; round < 3; round++) {
    const children = Array.from({ length: 4 }, () => {
      const action = random.pick(['pull', 'pull', 'rm', 'gc']);
      const tag = 1 + random.integer(4);
      const argument =
        action === 'pull' ? `${random.integer(3)},${tag}` : action === 'rm' ? `app:${tag}` : '';
      const point = random.chance(0.7) ? `${random.pick(points)}:${1 + random.integer(3)}` : '';
      return run(root, action, argument, point);
    });
    for (const { status, signal, errors } of await Promise.all(children)) {
      assert.ok(status === 0 || signal === 'SIGKILL', `seed ${seed}: ${errors}`);
    }
    using store = await openStore({ root });
    await assertSound(store, `seed ${seed}, round ${round}`);
  }
  using store = await openStore({ root });
  assertTidy(store, `seed ${seed}`);
});

test('gc takes nothing from under those who hold a lease', { skip }, async t => {
  const seed = readSeed();
  t.diagnostic(`seed ${seed}`);
  using scratch = createScratch();
  const root = scratch.at('root');
  const sweepers = [new Child([root, 'sweep']), new Child([root, 'sweep'])];
  await Promise.all(sweepers.map(child => child.ready()));
  const ended = await Promise.all([1, 2, 3].map(part => run(root, 'churn', `${seed + part},12`)));
  for (const { status, errors } of ended) assert.deepEqual([status, errors], [0, ''], `seed ${seed}`);
  for (const sweeper of sweepers) assert.deepEqual((await sweeper.kill()).errors, '');
  using store = await openStore({ root });
  await assertSound(store, `seed ${seed}`);
  assertTidy(store, `seed ${seed}`);
});
