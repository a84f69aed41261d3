import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ensureVerity } from '../../src/engine/verity.ts';
import { openStore, type Store, type StoredArtifact } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { buildImage, randomTree } from '../squashfs/sample.ts';
import { createSample, digestOf, noise, put } from '../store/sample.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);

async function render(store: Store, bytes: Uint8Array): Promise<StoredArtifact> {
  await put(store, app);
  const key = { manifest: app.image.manifest, format: 'squashfs', options: {}, versions: {} };
  using draft = store.createArtifact(key, 'sqfs');
  writeFileSync(draft.path, bytes);
  return await draft.commit({ digest: digestOf(bytes), size: bytes.length });
}

test('the tree of a squashfs is made once, by whoever comes first', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const image = buildImage(randomTree(createRandom(seed), { entries: 40 }), { compression: 'zstd' });
  const artifact = await render(store, image);
  using other = await openStore({ root: store.root });
  const [tree, same] = await Promise.all([ensureVerity(store, artifact), ensureVerity(other, artifact)]);
  assert.deepEqual(tree, same);
  assert.equal(tree.salt, '');
  assert.equal(tree.rootHash, artifact.rootHash);
  const { ino } = statSync(tree.path);
  assert.deepEqual(await ensureVerity(store, artifact), tree);
  assert.equal(statSync(tree.path).ino, ino, 'not made again');
  assert.deepEqual((await store.check()).damaged, []);
});

test('veritysetup accepts it', { skip: requires({ tools: ['veritysetup'] }) }, async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const artifact = await render(store, noise(1, 300 * 4096));
  const { path: tree, rootHash } = await ensureVerity(store, artifact);
  execFileSync('veritysetup', ['verify', artifact.path, tree, rootHash], { stdio: 'pipe' });
});

test('an abort, and an artifact that has none', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const artifact = await render(store, noise(1, 4096));
  await assert.rejects(ensureVerity(store, artifact, AbortSignal.abort()), { code: 'cancelled' });
  const odd = await render(store, noise(1, 5000));
  await assert.rejects(ensureVerity(store, odd), { name: 'VerityError', code: 'invalid' });
  assert.equal(readdirSync(path.join(store.root, 'artifacts')).length, 1);
  assert.deepEqual(readdirSync(path.join(store.root, 'leases')), []);
});
