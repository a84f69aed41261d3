import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { hasLibc } from '../../src/host/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import {
  type ArtifactKey,
  formatArtifactKey,
  openStore,
  type Store,
  type StoredArtifact,
} from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { Child, run } from './process.ts';
import { createSample, digestOf, noise, put } from './sample.ts';

const needsLocks = hasLibc() ? false : 'needs libc through koffi';
const app = createSample('docker.io/library/app:1', [1, 2]);
const second = createSample('docker.io/library/app:2', [1, 3, 3]);
const [shared, own] = app.image.layers.map(({ diffId }) => diffId) as [Digest, Digest];

const keyOf = (diffId: Digest, format = 'erofs-layer'): ArtifactKey => {
  return { diffId, format, options: {}, versions: { shale: '1' } };
};
const content = noise(5, 3 * 4096);

async function convert(store: Store, key: ArtifactKey, bytes = content): Promise<StoredArtifact> {
  using draft = store.createArtifact(key, 'erofs');
  writeFileSync(draft.path, bytes);
  return await draft.commit({ size: bytes.length });
}

async function filled(root: string): Promise<Store> {
  const store = await openStore({ root });
  await put(store, app);
  await put(store, second);
  return store;
}

test('a layer’s artifact is found by its diffID, and is not an image’s of the same digest', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const made = await convert(store, keyOf(shared));
  assert.deepEqual([made.diffId, made.manifest, made.format], [shared, undefined, 'erofs-layer']);
  assert.equal(path.basename(made.path), `${formatArtifactKey(keyOf(shared))}.erofs`);
  assert.deepEqual(store.findArtifact(keyOf(shared)), made);
  assert.deepEqual(store.artifacts(), [made]);
  assert.equal(store.findArtifact(keyOf(own)), undefined);
  assert.equal(store.findArtifact(keyOf(shared, 'tar')), undefined);
  const alike = { manifest: shared, format: 'erofs-layer', options: {}, versions: { shale: '1' } };
  assert.equal(store.findArtifact(alike), undefined);
});

test('it stays while an image has the layer, and goes with the last one', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const [both, one] = [await convert(store, keyOf(shared)), await convert(store, keyOf(own))];
  const report = store.collectGarbage();
  const reasons = new Map(report.kept.map(({ name, reason }) => [name, reason]));
  const reason = (made: StoredArtifact) => reasons.get(path.relative(store.root, made.path));
  assert.equal(reason(both), 'of a layer of docker.io/library/app:1 and 1 more');
  assert.equal(reason(one), 'of a layer of docker.io/library/app:1');
  const unique = [...app.blobs].filter(([digest]) => !second.blobs.has(digest));
  const blobs = unique.reduce((sum, [, { length }]) => sum + length, 0);
  assert.equal(store.removeImages([app.image]).freedBytes, blobs + content.length);
  assert.deepEqual([existsSync(both.path), existsSync(one.path)], [true, false]);
  assert.deepEqual(store.collectGarbage().removed, []);
  store.removeImages([second.image]);
  assert.deepEqual([existsSync(both.path), store.artifacts().length], [false, 0]);
});

test('a lease on the diffID keeps it, and age does as it does of others', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const lease = store.lease('stack of app', [shared]);
  const made = await convert(store, keyOf(shared));
  assert.deepEqual(store.collectGarbage({ all: true }).removed, []);
  lease.release();
  for (const options of [{ olderThan: 3600_000 }, { dryRun: true }, {}]) {
    const removed = store.collectGarbage(options).removed.map(({ kind }) => kind);
    assert.deepEqual(removed, options.olderThan ? [] : ['artifact']);
  }
  assert.equal(existsSync(made.path), false);
});

test('a draft keeps what there is of its layer', { skip: needsLocks }, async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  await store.putLayerIndex(shared, Buffer.from('index'));
  using draft = store.createArtifact(keyOf(shared), 'erofs');
  const { removed, kept } = store.collectGarbage();
  assert.deepEqual(removed, []);
  assert.match(kept.find(({ kind }) => kind === 'index')!.reason, /^needed by a render of .* as erofs-layer/);
  draft[Symbol.dispose]();
  assert.equal(store.collectGarbage().removed.length, 1);
});

test('du counts it once, and says of each image what it has and what it shares', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  await convert(store, keyOf(shared));
  await convert(store, keyOf(own), noise(6, 4096));
  await convert(store, keyOf(second.image.layers[1]!.diffId), noise(7, 8192));
  const { rows, images } = store.measureUsage();
  const total = content.length + 4096 + 8192;
  assert.deepEqual(rows[1], { kind: 'artifacts', count: 3, bytes: total, reclaimable: 0 });
  assert.deepEqual(
    images.map(({ artifacts, sharedArtifacts }) => [artifacts, sharedArtifacts]),
    [
      [content.length + 4096, content.length],
      [content.length + 8192, content.length],
    ],
  );
});

test('two drafts of one artifact: the first to be committed stays', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const drafts = [1, 2].map(() => store.createArtifact(keyOf(shared), 'erofs'));
  for (const { path: file } of drafts) writeFileSync(file, content);
  const first = await drafts[0]!.commit({ size: content.length });
  const { ino } = lstatSync(first.path);
  assert.deepEqual(await drafts[1]!.commit({ size: content.length }), first);
  assert.equal(lstatSync(first.path).ino, ino);
  // One that was there before is not good to who makes it once more.
  assert.notEqual(lstatSync((await convert(store, keyOf(shared))).path).ino, ino);
  // And one of other bytes is not the same.
  const [late, early] = [1, 2].map(() => store.createArtifact(keyOf(own), 'erofs')) as [never, never];
  const commit = async (draft: typeof late, bytes: Buffer) => {
    const { path: file, commit } = draft as ReturnType<Store['createArtifact']>;
    writeFileSync(file, bytes);
    return await commit.call(draft, { size: bytes.length });
  };
  await commit(early, noise(8, 4096));
  assert.equal((await commit(late, noise(9, 4096))).digest, digestOf(noise(9, 4096)));
  assert.deepEqual(readFileSync(store.findArtifact(keyOf(own))!.path), noise(9, 4096));
  assert.deepEqual((await store.check()).damaged, []);
});

test('who begins alone waits for whoever has begun', { skip: needsLocks }, async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  using other = await openStore({ root: store.root });
  const draft = await store.beginArtifact(keyOf(shared), 'erofs');
  assert.ok('commit' in draft);
  const waiting = other.beginArtifact(keyOf(shared), 'erofs');
  const aborted = other.beginArtifact(keyOf(shared), 'erofs', { signal: AbortSignal.timeout(30) });
  await assert.rejects(aborted, { code: 'cancelled' });
  using free = (await other.beginArtifact(keyOf(own), 'erofs')) as Disposable;
  writeFileSync(draft.path, content);
  const made = await draft.commit({ size: content.length });
  assert.deepEqual(await waiting, made);
  assert.deepEqual(await other.beginArtifact(keyOf(shared), 'erofs'), made);
  free[Symbol.dispose]();
  assert.deepEqual(readdirSync(path.join(store.root, 'artifacts')), [path.basename(made.path)]);
  // One who gives up makes way.
  rmSync(made.path);
  const second = await store.beginArtifact(keyOf(shared), 'erofs');
  const third = other.beginArtifact(keyOf(shared), 'erofs');
  assert.ok('commit' in second);
  second[Symbol.dispose]();
  const begun = await third;
  assert.ok('commit' in begun);
  begun[Symbol.dispose]();
});

test('eight processes want one layer: one makes it', { skip: needsLocks }, async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const ended = await Promise.all(Array.from({ length: 8 }, () => run(store.root, 'convert', shared)));
  for (const { errors } of ended) assert.equal(errors, '');
  const outputs = ended.map(({ output }) => output.split(' '));
  assert.deepEqual(outputs.map(([how]) => how).sort(), [...Array(7).fill('found'), 'made']);
  assert.equal(new Set(outputs.map(([, ino]) => ino)).size, 1);
  assert.equal(readdirSync(path.join(store.root, 'artifacts')).length, 2, 'with its tree');
  assert.deepEqual((await store.check()).damaged, []);
});

test('one that died makes way, and leaves only litter', { skip: needsLocks }, async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const child = new Child([store.root, 'convert', shared, 'hold']);
  await child.ready();
  const begun = store.beginArtifact(keyOf(shared), 'erofs');
  const lock = `.${formatArtifactKey(keyOf(shared))}.lock`;
  assert.ok(readdirSync(path.join(store.root, 'artifacts')).includes(lock));
  assert.deepEqual(store.collectGarbage({ all: true }).removed, [], 'in use');
  await child.kill();
  const draft = await begun;
  assert.ok('commit' in draft);
  draft[Symbol.dispose]();
  const again = new Child([store.root, 'convert', shared, 'hold']);
  await again.ready();
  await again.kill();
  const removed = store.collectGarbage().removed.map(({ name }) => name.replace(/draft-.*/, 'draft'));
  const litter = [`artifacts/${lock}`, 'artifacts/.draft', 'artifacts/.draft'].sort();
  assert.deepEqual(removed.filter(name => name.startsWith('artifacts')).sort(), litter);
  assert.deepEqual(readdirSync(path.join(store.root, 'artifacts')), []);
});
