import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { type FsckReport, openStore, type Store } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createSample, digestOf, ingest, noise, put } from './sample.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);
const [layer, shared] = [app.image.layers[1]!.digest, app.image.layers[0]!.digest];

const found = ({ damaged }: FsckReport) =>
  damaged.map(({ kind, name, action }) => `${kind} ${name} ${action}`).sort();

async function filled(root: string): Promise<Store> {
  const store = await openStore({ root });
  await put(store, app);
  await put(store, createSample('docker.io/library/app:2', [1, 3]));
  return store;
}

/** Same size, other bytes, as a bad disk does it. */
function bend(file: string): void {
  const bytes = readFileSync(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(file, bytes);
}

/** Overwrites the start of a table's page: opening does not notice. */
function damageTable(file: string, table: string): void {
  const connection = new DatabaseSync(file);
  const [row] = connection.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').all(table);
  connection.close();
  const bytes = readFileSync(file);
  const start = (Number(row!.rootpage) - 1) * 4096;
  writeFileSync(file, bytes.fill(0xa5, start, start + 200));
}

async function render(store: Store) {
  const key = { manifest: app.image.manifest, format: 'tar', options: {}, versions: {} };
  using draft = store.createArtifact(key, 'tar');
  writeFileSync(draft.path, noise(5, 1000));
  return await draft.commit({ digest: digestOf(noise(5, 1000)), size: 1000 });
}

test('a sound cache: everything is read, nothing is found', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  await store.putLayerIndex(app.image.layers[0]!.diffId, noise(4, 100));
  await render(store);
  const progress: number[] = [];
  let last = { checked: 0, total: 0 };
  const report = await store.check({
    onProgress: event => {
      progress.push(event.checked);
      last = event;
    },
  });
  assert.deepEqual(report.damaged, []);
  const usage = Object.fromEntries(store.measureUsage().rows.map(row => [row.kind, row]));
  const kinds = ['blobs', 'artifacts', 'indexes'];
  assert.equal(
    report.checked,
    kinds.reduce((sum, kind) => sum + usage[kind]!.count, 0),
  );
  assert.equal(
    report.bytes,
    kinds.reduce((sum, kind) => sum + usage[kind]!.bytes, 0),
  );
  assert.deepEqual(last, { checked: report.bytes, total: report.bytes });
  assert.deepEqual(
    progress,
    [...progress].sort((a, b) => a - b),
  );
  await assert.rejects(store.check({ signal: AbortSignal.abort() }), { code: 'cancelled' });
});

test('a damaged blob: told, then dropped, then fetched again', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const file = store.findBlob(layer)!.path;
  bend(file);
  const report = await store.check();
  assert.deepEqual(found(report), [`blob ${layer} none`]);
  assert.match(report.damaged[0]!.problem, /its digest is sha256:/);
  assert.ok(existsSync(file));
  assert.deepEqual(found(await store.check({ repair: true })), [`blob ${layer} dropped`]);
  assert.equal(store.findBlob(layer), undefined);
  const missing = await store.check({ repair: true });
  assert.deepEqual(found(missing), [`blob ${layer} none`]);
  assert.match(missing.damaged[0]!.problem, /missing.*app:1 \(linux\/amd64\) needs it/);
  const asked: string[] = [];
  const failing = await store.check({
    repair: true,
    refetch: async ({ reference }, { digest }) => {
      asked.push(`${reference} ${digest}`);
      throw new ShaleError('unavailable', 'no network');
    },
  });
  assert.deepEqual(asked, [`docker.io/library/app:1 ${layer}`]);
  assert.match(failing.damaged[0]!.problem, /fetching it again failed: no network/);
  const mended = await store.check({
    repair: true,
    refetch: async (_, { digest }) => void (await ingest(store, app.blobs.get(digest)!)),
  });
  assert.deepEqual(found(mended), [`blob ${layer} refetched`]);
  assert.deepEqual(found(await store.check()), []);
});

test('dropped and fetched again in one go; a refetch that brings nothing is told', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  bend(store.findBlob(layer)!.path);
  writeFileSync(store.findBlob(shared)!.path, 'short');
  const report = await store.check({
    repair: true,
    refetch: async (_, { digest }) => {
      if (digest === layer) await ingest(store, app.blobs.get(digest)!);
    },
  });
  assert.deepEqual(found(report), [`blob ${shared} none`, `blob ${layer} refetched`].sort());
  assert.match(report.damaged.find(({ name }) => name === shared)!.problem, /did not arrive/);
  await put(store, app);
  assert.deepEqual(found(await store.check()), [], 'the next pull mends the rest');
});

test('blobs that are no files, and unreferenced ones', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const loose = digestOf(noise(99, 10));
  const place = path.join(store.root, 'blobs', loose.replace(':', '/'));
  mkdirSync(path.join(place, 'x'), { recursive: true });
  assert.deepEqual(found(await store.check({ repair: true })), [`blob ${loose} dropped`]);
  writeFileSync(place, 'not that', { mode: 0o600 });
  assert.deepEqual(found(await store.check({ repair: true })), [`blob ${loose} dropped`]);
  assert.deepEqual(found(await store.check()), []);
});

test('indexes and artifacts are dropped, for they can be made again', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const { diffId } = app.image.layers[0]!;
  await store.putLayerIndex(diffId, noise(4, 100));
  const artifact = await render(store);
  const name = `artifacts/${path.basename(artifact.path)}`;
  bend(path.join(store.root, 'layers', diffId.replace(':', '/')));
  bend(artifact.path);
  assert.deepEqual(found(await store.check()), [`artifact ${name} none`, `index ${diffId} none`]);
  assert.deepEqual(found(await store.check({ repair: true })), [
    `artifact ${name} dropped`,
    `index ${diffId} dropped`,
  ]);
  assert.deepEqual(found(await store.check()), []);
  assert.deepEqual([existsSync(artifact.path), store.artifacts()], [false, []]);
  rmSync((await render(store)).path);
  assert.deepEqual(found(await store.check({ repair: true })), [`artifact ${name} dropped`]);
  assert.deepEqual(found(await store.check()), []);
});

test('the layout’s own files and modes', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const at = (name: string) => path.join(store.root, name);
  const index = readFileSync(at('index.json'));
  rmSync(at('oci-layout'));
  writeFileSync(at('index.json'), '{}');
  chmodSync(store.root, 0o755);
  chmodSync(store.findBlob(layer)!.path, 0o644);
  const names = ['layout index.json', 'layout oci-layout', 'mode .', `mode blobs/${layer.replace(':', '/')}`];
  assert.deepEqual(found(await store.check()), names.map(name => `${name} none`).sort());
  assert.deepEqual(found(await store.check({ repair: true })), names.map(name => `${name} repaired`).sort());
  assert.deepEqual(found(await store.check()), []);
  assert.deepEqual(readFileSync(at('index.json')), index);
});

test('a database that is damaged in its middle', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  (await filled(root))[Symbol.dispose]();
  damageTable(path.join(root, 'shale.db'), 'image');
  using store = await openStore({ root });
  assert.throws(() => store.images(), { code: 'corrupt', hint: /fsck --repair/ });
  const report = await store.check({ repair: true });
  assert.equal(report.damaged[0]?.kind, 'database');
  assert.equal(report.damaged[0]?.action, 'repaired');
  assert.deepEqual(
    store.images().map(({ reference }) => reference),
    ['docker.io/library/app:1', 'docker.io/library/app:2'],
  );
  assert.deepEqual(found(await store.check()), []);
  using other = await openStore({ root });
  assert.equal(other.images().length, 2);
});

test('without repair, a damaged database is told and the rest is not guessed at', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  (await filled(root))[Symbol.dispose]();
  damageTable(path.join(root, 'shale.db'), 'image');
  using store = await openStore({ root });
  bend(path.join(root, 'blobs', layer.replace(':', '/')));
  assert.deepEqual(found(await store.check()), [`blob ${layer} none`, 'database shale.db none']);
});

test('a store whose database was replaced says so, and writes nothing', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  using old = await filled(root);
  rmSync(path.join(root, 'shale.db'));
  using fresh = await openStore({ root });
  assert.throws(() => old.putImage(app.image), { code: 'conflict' });
  assert.equal(fresh.images().length, 2);
});
