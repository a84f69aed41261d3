import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { hasLibc } from '../../src/host/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import {
  type ArtifactKey,
  formatArtifactKey,
  type GcReport,
  openStore,
  type Store,
} from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { Child } from './process.ts';
import { createSample, digestOf, ingest, noise, put } from './sample.ts';

const skip = hasLibc() ? false : 'needs libc through koffi';
const app = createSample('docker.io/library/app:1', [1, 2]);
const second = createSample('docker.io/library/app:2', [1, 3]);

const reasons = ({ kept }: GcReport) => new Map(kept.map(({ name, reason }) => [name, reason]));
const removed = (report: GcReport) => report.removed.map(({ kind, name }) => `${kind} ${name}`).sort();
const keyOf = (
  sample: typeof app,
  options: ArtifactKey['options'] = {},
): ArtifactKey & { manifest: Digest } => {
  return { manifest: sample.image.manifest, format: 'squashfs', options, versions: { shale: '1' } };
};

async function render(store: Store, key: ArtifactKey, bytes: Buffer) {
  using draft = store.createArtifact(key, 'sqfs');
  writeFileSync(draft.path, bytes);
  return await draft.commit({ digest: digestOf(bytes), size: bytes.length });
}

/** Lets all leases grow older. */
function age(store: Store, hours: number): void {
  const connection = new DatabaseSync(path.join(store.root, 'shale.db'));
  connection.exec(`UPDATE lease SET touched = touched - ${hours * 3600_000}`);
  connection.close();
}

test('everything has its reason', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  await put(store, app);
  await put(store, second);
  store.tagImages(store.findImages('app:1'), 'app:third');
  const loose = noise(77, 4000);
  await ingest(store, loose);
  const [, layer] = app.image.layers;
  await store.putLayerIndex(layer!.diffId, noise(1, 100));
  await store.putLayerIndex(digestOf(loose), noise(2, 100));
  const artifact = await render(store, keyOf(app), noise(3, 1000));
  const orphan = await render(store, { ...keyOf(app), manifest: digestOf(loose) }, noise(4, 1000));
  const dry = store.collectGarbage({ dryRun: true });
  const found = reasons(dry);
  assert.equal(found.get(app.image.layers[0]!.digest), 'referenced by docker.io/library/app:1 and 2 more');
  assert.equal(found.get(second.image.config), 'referenced by docker.io/library/app:2');
  assert.equal(found.get(layer!.diffId), 'referenced by docker.io/library/app:1 and 1 more');
  assert.equal(
    found.get(`artifacts/${path.basename(artifact.path)}`),
    'artifact of docker.io/library/app:1 and 1 more',
  );
  const gone = [
    `artifact artifacts/${path.basename(orphan.path)}`,
    `blob ${digestOf(loose)}`,
    `index ${digestOf(loose)}`,
  ];
  assert.deepEqual(removed(dry), gone);
  assert.deepEqual(new Set(dry.removed.map(({ reason }) => reason)), new Set(['nothing refers to it']));
  assert.ok(store.findBlob(digestOf(loose)), 'a dry run removes nothing');
  assert.deepEqual(removed(store.collectGarbage({ olderThan: 3600_000 })), [], 'all of it is young');
  const usage = store.measureUsage();
  const real = store.collectGarbage();
  assert.deepEqual(real, dry);
  assert.equal(real.freedBytes, loose.length + 140 + 1000);
  const reclaimable = Object.fromEntries(usage.rows.map(row => [row.kind, row.reclaimable]));
  const others = { warm: 0, initramfs: 0, kernels: 0, volumes: 0, zones: 0, database: 0 };
  assert.deepEqual(reclaimable, { blobs: 4000, artifacts: 1000, indexes: 140, ingests: 0, ...others });
  assert.equal(store.findBlob(digestOf(loose)), undefined);
  assert.equal(existsSync(orphan.path), false);
  assert.ok(store.findArtifact(keyOf(app)));
  assert.deepEqual(removed(store.collectGarbage()), []);
  assert.deepEqual(readdirSync(path.join(store.root, 'trash')), []);
});

test('what du says is what lies there', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  await put(store, app);
  await put(store, second);
  await render(store, keyOf(app), noise(3, 1000));
  const { rows, images } = store.measureUsage();
  const blobs = new Map([...app.blobs, ...second.blobs]);
  const sum = (list: Iterable<Buffer>) => [...list].reduce((total, { length }) => total + length, 0);
  assert.deepEqual(rows[0], { kind: 'blobs', count: blobs.size, bytes: sum(blobs.values()), reclaimable: 0 });
  assert.deepEqual(rows[1], { kind: 'artifacts', count: 1, bytes: 1000, reclaimable: 0 });
  assert.deepEqual(
    images.map(({ size, unique, artifacts }) => [size, unique, artifacts]),
    [
      [
        sum(app.blobs.values()),
        sum([...app.blobs].filter(([name]) => !second.blobs.has(name)).map(([, b]) => b)),
        1000,
      ],
      [
        sum(second.blobs.values()),
        sum([...second.blobs].filter(([name]) => !app.blobs.has(name)).map(([, b]) => b)),
        0,
      ],
    ],
  );
});

test('a lease keeps blobs, indexes and artifacts, until it is released', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const bytes = noise(5, 100);
  const digest = digestOf(bytes);
  const lease = store.lease('pull of app', []);
  lease.add([digest]);
  await ingest(store, bytes);
  await store.putLayerIndex(digest, bytes);
  await render(store, { ...keyOf(app), manifest: digest }, bytes);
  using other = await openStore({ root: store.root });
  for (const all of [false, true]) {
    const report = other.collectGarbage({ all });
    assert.deepEqual(removed(report), []);
    if (hasLibc()) assert.equal(reasons(report).get(digest), 'needed by a pull of app that is going on');
  }
  lease.release();
  lease.release();
  assert.equal(removed(other.collectGarbage()).length, 3);
  assert.deepEqual(readdirSync(path.join(store.root, 'leases')), []);
});

test('two that live have a purpose in common, and each its own lease', { skip }, async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const bytes = noise(5, 100);
  await ingest(store, bytes);
  using first = store.lease('pull of app', [digestOf(bytes)]);
  store.lease('pull of app').release();
  assert.deepEqual(removed(store.collectGarbage({ all: true })), []);
  first.release();
  assert.equal(removed(store.collectGarbage()).length, 1);
});

test('the lease of a dead process counts for a day, and for the next of its purpose', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  using store = await openStore({ root });
  await ingest(store, noise(6, 5006));
  const digest = digestOf(noise(6, 5006));
  const child = new Child([root, 'hold', '6']);
  await child.ready();
  assert.equal(
    reasons(store.collectGarbage({ all: true })).get(digest),
    'needed by a pull of app that is going on',
  );
  await child.kill();
  const reason = reasons(store.collectGarbage()).get(digest)!;
  const until = /^an interrupted pull of app can be resumed until (.*)$/.exec(reason)?.[1];
  assert.ok(Math.abs(Date.parse(until!) - Date.now() - 24 * 3600_000) < 60_000, reason);
  {
    using next = store.lease('pull of app');
    assert.equal(
      reasons(store.collectGarbage({ all: true })).get(digest),
      'needed by a pull of app that is going on',
    );
    assert.equal(readdirSync(path.join(root, 'leases')).length, 1);
    next.add([]);
  }
  assert.match(reasons(store.collectGarbage()).get(digest)!, /interrupted/);
  age(store, 23);
  assert.ok(reasons(store.collectGarbage()).has(digest));
  age(store, 2);
  assert.deepEqual(removed(store.collectGarbage({ dryRun: true })), [`blob ${digest}`, 'lease pull of app']);
  assert.deepEqual(removed(store.collectGarbage()), [`blob ${digest}`, 'lease pull of app']);
  assert.deepEqual(readdirSync(path.join(root, 'leases')), []);
});

test('--all does not wait for interrupted pulls', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const child = new Child([root, 'fetch', '7,400000']);
  await child.ready();
  using store = await openStore({ root });
  const digest = digestOf(noise(7, 400_000));
  const live = store.collectGarbage({ all: true });
  assert.deepEqual([removed(live), reasons(live).get(digest)], [[], 'it is being fetched']);
  await child.kill();
  const dead = store.collectGarbage();
  assert.match(reasons(dead).get(digest)!, /^an interrupted pull of app/);
  assert.ok(dead.kept[0]!.bytes >= 200_000 && dead.kept[0]!.bytes < 300_000, 'holes take no room');
  assert.deepEqual(removed(store.collectGarbage({ all: true })), [`ingest ${digest}`, 'lease pull of app']);
  assert.deepEqual(readdirSync(path.join(root, 'ingest')), []);
});

test('a partial download without any lease goes', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const bytes = noise(8, 4000);
  const begun = await store.beginIngest({ digest: digestOf(bytes), size: 4000 });
  assert.ok('writeAt' in begun);
  begun.writeAt(bytes.subarray(0, 100), 0);
  if (hasLibc()) assert.deepEqual(removed(store.collectGarbage()), []);
  begun[Symbol.dispose]();
  assert.deepEqual(removed(store.collectGarbage()), [`ingest ${digestOf(bytes)}`]);
});

test('what dead processes left behind goes, when it is old', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  using store = await openStore({ root });
  await put(store, app);
  const child = new Child([root, 'render', 'app:1', 'hold']);
  await child.ready();
  const [draft] = readdirSync(path.join(root, 'artifacts'));
  assert.equal(
    reasons(store.collectGarbage()).get(`artifacts/${draft}`),
    `needed by a render of ${app.image.manifest} as tar that is going on`,
  );
  await child.kill();
  const old = [
    'ingest/.x.shale-abcdef.tmp',
    '.index.json.shale-abcdef.tmp',
    'blobs/sha256/alien',
    'leases/gone',
  ];
  for (const name of old) writeFileSync(path.join(root, name), 'x');
  const report = store.collectGarbage();
  assert.deepEqual(removed(report), [`temporary artifacts/${draft}`, 'temporary leases/gone']);
  assert.match(reasons(report).get('blobs/sha256/alien')!, /younger than an hour/);
  for (const name of old.slice(0, 3)) utimesSync(path.join(root, name), 1, 1);
  assert.deepEqual(
    removed(store.collectGarbage()),
    old
      .slice(0, 3)
      .map(name => `temporary ${name}`)
      .sort(),
  );
  // Litter in the trash, a tree too.
  mkdirSync(path.join(root, 'trash/x/y'), { recursive: true });
  store.collectGarbage();
  assert.deepEqual(readdirSync(path.join(root, 'trash')), []);
});

test('an artifact is found by all that made it, and only whole', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  await put(store, app);
  const bytes = noise(9, 3000);
  const key = keyOf(app, { level: 3, compression: 'zstd', none: undefined });
  assert.equal(store.findArtifact(key), undefined);
  {
    using draft = store.createArtifact(key, 'sqfs');
    writeFileSync(draft.path, 'half');
    await assert.rejects(draft.commit({ size: 3000 }), { code: 'internal' });
  }
  assert.deepEqual(readdirSync(path.join(store.root, 'artifacts')), []);
  assert.deepEqual(readdirSync(path.join(store.root, 'leases')), []);
  const made = await render(store, key, bytes);
  assert.deepEqual(store.findArtifact(keyOf(app, { compression: 'zstd', level: 3 })), made);
  assert.equal(path.basename(made.path), `${formatArtifactKey(key)}.sqfs`);
  assert.equal(statSync(made.path).mode & 0o777, 0o444);
  assert.deepEqual(readFileSync(made.path), bytes);
  for (const different of [
    keyOf(app, { compression: 'zstd', level: 4 }),
    keyOf(app, { compression: 'zstd' }),
    { ...key, format: 'tar' },
    { ...key, versions: { shale: '2' } },
    { ...key, manifest: digestOf(bytes) },
  ]) {
    assert.equal(store.findArtifact(different), undefined);
  }
  await render(store, key, noise(10, 2000)); // again: replaced
  assert.equal(store.findArtifact(key)?.size, 2000);
  writeFileSync(made.path, 'cut');
  assert.equal(store.findArtifact(key), undefined);
  rmSync(made.path);
  assert.equal(store.findArtifact(key), undefined);
  assert.equal(removed(store.collectGarbage()).length, 1, 'the row of a file that is gone');
  assert.deepEqual(store.artifacts(), []);
});

test('a layer index that is damaged is none', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const [diffId, bytes] = [digestOf(noise(1, 1)), noise(11, 500)];
  assert.equal(store.findLayerIndex(diffId), undefined);
  await store.putLayerIndex(diffId, bytes);
  assert.deepEqual(Buffer.from(store.findLayerIndex(diffId)!), bytes);
  const file = path.join(store.root, 'layers', diffId.replace(':', '/'));
  const whole = readFileSync(file);
  for (const at of [0, 8, 39, 40, 539]) {
    const bent = Buffer.from(whole);
    bent[at] = bent[at]! ^ 1;
    writeFileSync(file, bent);
    assert.equal(store.findLayerIndex(diffId), undefined, `byte ${at}`);
  }
  for (const length of [0, 20, 40, 539]) {
    writeFileSync(file, whole.subarray(0, length));
    assert.equal(store.findLayerIndex(diffId), undefined, `${length} bytes`);
  }
  await store.putLayerIndex(diffId, Buffer.alloc(0));
  assert.equal(store.findLayerIndex(diffId)?.length, 0);
});
