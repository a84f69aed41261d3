import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Digest } from '../../src/oci/index.ts';
import {
  type ArtifactKey,
  type FsckReport,
  openStore,
  type Store,
  type StoredArtifact,
} from '../../src/store/index.ts';
import { createVerityTree, verifyVerityTree } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { makeOld } from './old-database.ts';
import { run } from './process.ts';
import { createSample, digestOf, noise, put } from './sample.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);
const second = createSample('docker.io/library/app:2', [1, 3]);
const keyOf = (sample: typeof app, version = '1'): ArtifactKey & { manifest: Digest } => {
  return { manifest: sample.image.manifest, format: 'squashfs', options: {}, versions: { shale: version } };
};
const content = noise(3, 200 * 4096);

async function render(store: Store, key: ArtifactKey, bytes = content): Promise<StoredArtifact> {
  using draft = store.createArtifact(key, 'sqfs');
  writeFileSync(draft.path, bytes);
  return await draft.commit({ size: bytes.length });
}

const hash = (store: Store, artifact: StoredArtifact) =>
  store.putVerity(artifact, tree => createVerityTree({ data: artifact.path, tree, salt: Buffer.alloc(4) }));

const names = (store: Store) => readdirSync(path.join(store.root, 'artifacts')).sort();
const below = (store: Store, file: string) => path.relative(store.root, file);
const found = ({ damaged }: Pick<FsckReport, 'damaged'>) =>
  damaged.map(({ kind, name, action }) => `${kind} ${name} ${action}`);

function bend(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
}

async function filled(root: string): Promise<Store> {
  const store = await openStore({ root });
  await put(store, app);
  await put(store, second);
  return store;
}

test('a tree lies beside its artifact, read-only, and is found by it', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const artifact = await render(store, keyOf(app));
  assert.equal(store.findVerity(artifact), undefined);
  const tree = await hash(store, artifact);
  assert.equal(tree.path, `${artifact.path}.verity`);
  assert.equal(statSync(tree.path).mode & 0o777, 0o444);
  assert.deepEqual([tree.size, tree.digest], [statSync(tree.path).size, digestOf(readFileSync(tree.path))]);
  assert.deepEqual(store.findVerity(store.findArtifact(keyOf(app))!), tree);
  await verifyVerityTree({ data: artifact.path, tree: tree.path, rootHash: tree.rootHash });
  assert.deepEqual(await hash(store, artifact), tree, 'again: the same');
  assert.equal(store.findVerity(await render(store, keyOf(second))), undefined);
  assert.deepEqual(readdirSync(path.join(store.root, 'leases')), []);
  writeFileSync(tree.path, 'cut');
  assert.equal(store.findVerity(artifact), undefined);
  rmSync(tree.path);
  assert.equal(store.findVerity(artifact), undefined);
  assert.deepEqual(await hash(store, artifact), tree);
});

test('what fails leaves nothing', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const artifact = await render(store, keyOf(app));
  const failing = store.putVerity(artifact, async tree => {
    writeFileSync(tree, 'half');
    throw new Error('no');
  });
  await assert.rejects(failing, /no/);
  const late = store.putVerity(artifact, async tree => {
    const made = await createVerityTree({ data: artifact.path, tree, salt: Buffer.alloc(4) });
    await render(store, keyOf(app), noise(4, 4096));
    return made;
  });
  await assert.rejects(late, { name: 'StoreError', code: 'not-found' });
  assert.deepEqual(names(store), [path.basename(artifact.path)]);
  assert.deepEqual(readdirSync(path.join(store.root, 'leases')), []);
  assert.deepEqual(found(await store.check()), []);
});

test('an artifact that is made anew keeps its tree if it is the same', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const tree = await hash(store, await render(store, keyOf(app)));
  assert.deepEqual(store.findVerity(await render(store, keyOf(app))), tree);
  const other = await render(store, keyOf(app), noise(4, 4096));
  assert.equal(store.findVerity(other), undefined);
  assert.deepEqual(
    store.collectGarbage().removed.map(({ kind, name }) => [kind, name]),
    [['verity', below(store, tree.path)]],
  );
  assert.deepEqual(found(await store.check()), []);
});

test('it goes with its artifact, by gc and by rm', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const [kept, gone] = [await render(store, keyOf(app)), await render(store, keyOf(second))];
  const [keptTree, goneTree] = [await hash(store, kept), await hash(store, gone)];
  const { rows, images } = store.measureUsage();
  const each = content.length + keptTree.size;
  assert.deepEqual(rows[1], { kind: 'artifacts', count: 4, bytes: 2 * each, reclaimable: 0 });
  assert.deepEqual(
    images.map(({ artifacts }) => artifacts),
    [each, each],
  );
  const reason = store.collectGarbage().kept.find(({ kind }) => kind === 'verity')?.reason;
  assert.match(reason!, /^artifact of docker.io\/library\/app:[12]$/);
  const layers = [...second.blobs].filter(([digest]) => !app.blobs.has(digest));
  const blobs = layers.reduce((sum, [, { length }]) => sum + length, 0);
  assert.equal(store.removeImages([second.image]).freedBytes, blobs + each);
  assert.deepEqual([existsSync(gone.path), existsSync(goneTree.path)], [false, false]);
  assert.deepEqual(store.findVerity(kept), keptTree);
  const old = await render(store, { ...keyOf(app), manifest: digestOf(noise(1, 1)) });
  const { path: tree } = await hash(store, old);
  for (const options of [{ olderThan: 3600_000 }, { dryRun: true }, {}]) {
    const report = store.collectGarbage(options);
    const removed = report.removed.map(({ name }) => name);
    assert.deepEqual(removed, options.olderThan ? [] : [below(store, old.path), below(store, tree)]);
  }
  assert.deepEqual(
    names(store),
    [kept.path, keptTree.path].map(file => path.basename(file)),
  );
});

test('a tree without a row, and a row without a tree, are litter', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const artifact = await render(store, keyOf(app));
  const tree = await hash(store, artifact);
  const alien = path.join(store.root, 'artifacts', 'alien.sqfs.verity');
  writeFileSync(alien, 'x');
  rmSync(tree.path);
  const removed = store.collectGarbage().removed.map(({ kind, name, bytes }) => [kind, name, bytes]);
  assert.deepEqual(removed, [
    ['verity', 'artifacts/alien.sqfs.verity', 1],
    ['verity', below(store, tree.path), 0],
  ]);
  assert.deepEqual(store.findArtifact(keyOf(app)), artifact);
  // An artifact whose file is gone takes its tree along, in one go.
  await hash(store, artifact);
  rmSync(artifact.path);
  assert.equal(store.collectGarbage({ dryRun: true }).removed.length, 2);
  assert.equal(store.collectGarbage().removed.length, 2);
  assert.deepEqual(names(store), []);
});

test('fsck compares it with its digest, its root hash and its artifact', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const artifact = await render(store, keyOf(app));
  const tree = await hash(store, artifact);
  const [file, treeFile] = [below(store, artifact.path), below(store, tree.path)];
  const sound = await store.check();
  assert.deepEqual(found(sound), []);
  assert.equal(sound.checked, app.blobs.size + second.blobs.size - 1 + 2);
  for (const at of [0, 100, 3000, tree.size - 1]) {
    bend(tree.path, at);
    assert.deepEqual(found(await store.check()), [`verity ${treeFile} none`]);
    assert.deepEqual(found(await store.check({ repair: true })), [`verity ${treeFile} dropped`]);
    assert.deepEqual(names(store), [path.basename(artifact.path)]);
    assert.deepEqual(await hash(store, artifact), tree);
  }
  rmSync(tree.path);
  assert.deepEqual(found(await store.check({ repair: true })), [`verity ${treeFile} dropped`]);
  await hash(store, artifact);
  bend(artifact.path, 5000);
  assert.deepEqual(found(await store.check()), [`artifact ${file} none`], 'told once');
  assert.deepEqual(found(await store.check({ repair: true })), [`artifact ${file} dropped`]);
  assert.deepEqual(names(store), []);
});

test('fsck: a tree of other data', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const { path: tree } = await hash(store, await render(store, keyOf(app)));
  // As if somebody had put another root hash into the database.
  const connection = new DatabaseSync(path.join(store.root, 'shale.db'));
  connection.exec(`UPDATE verity SET root_hash = '${'00'.repeat(32)}'`);
  connection.close();
  assert.deepEqual(found(await store.check({ repair: true })), [`verity ${below(store, tree)} dropped`]);
  assert.deepEqual(found(await store.check()), []);
});

test('a cache from before there were trees goes on as it is', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const artifact = await (async () => {
    using store = await filled(root);
    return await render(store, keyOf(app));
  })();
  makeOld(root, 1);
  const database = path.join(root, 'shale.db');
  const { ino } = lstatSync(database);
  const stores = await Promise.all([openStore({ root }), openStore({ root })]);
  const [store, other] = stores as [Store, Store];
  try {
    assert.equal(lstatSync(database).ino, ino, 'not made anew');
    assert.equal(store.images().length, 2);
    const measured = await store.measureArtifact(store.findArtifact(keyOf(app))!);
    assert.deepEqual(measured, { ...artifact, made: undefined });
    assert.equal(store.findVerity(artifact), undefined);
    const tree = await hash(store, artifact);
    assert.deepEqual(other.findVerity(artifact), tree);
    assert.deepEqual(found(await store.check()), []);
  } finally {
    for (const each of stores) each[Symbol.dispose]();
  }
  // A database that is lost takes all that it knew of artifacts along; their files are garbage, and so are their trees.
  renameSync(database, scratch.at('lost'));
  using fresh = await openStore({ root });
  assert.equal(fresh.collectGarbage().removed.filter(({ kind }) => kind === 'verity').length, 1);
  assert.deepEqual(names(fresh), []);
});

test('two processes that make the same tree at once', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const artifact = await (async () => {
    using store = await filled(root);
    return await render(store, keyOf(app));
  })();
  const ended = await Promise.all([1, 2, 3].map(() => run(root, 'hash', artifact.key)));
  for (const { errors } of ended) assert.equal(errors, '');
  const trees = ended.map(({ output }) => output);
  assert.equal(new Set(trees).size, 1);
  using store = await openStore({ root });
  assert.equal(`${store.findVerity(artifact)!.rootHash}\n`, trees[0]);
  assert.equal(names(store).length, 2);
  assert.deepEqual(found(await store.check()), []);
});
