import assert from 'node:assert/strict';
import {
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { hasLibc, tryLock } from '../../src/host/index.ts';
import { openStore, type Store, type StoredArtifact } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createSample, digestOf, noise, put } from './sample.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);
const needsLocks = hasLibc() ? false : 'needs libc through koffi';

async function filled(root: string): Promise<{ store: Store; artifact: StoredArtifact }> {
  const store = await openStore({ root });
  await put(store, app);
  const key = { manifest: app.image.manifest, format: 'squashfs', options: {}, versions: {} };
  using draft = store.createArtifact(key, 'sqfs');
  writeFileSync(draft.path, noise(3, 1000));
  return { store, artifact: await draft.commit({ digest: digestOf(noise(3, 1000)), size: 1000 }) };
}

/** As a maker does it. */
function warm(store: Store, artifact: StoredArtifact, name: string): string {
  const place = store.warmDirectory(artifact.key, name);
  mkdirSync(`${place}.draft`, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(`${place}.draft`, 'memory'), noise(1, 8192));
  writeFileSync(path.join(`${place}.draft`, 'lock'), '');
  renameSync(`${place}.draft`, place);
  return place;
}

const rowOf = (store: Store, kind: string) => store.measureUsage().rows.find(row => row.kind === kind);

test('a warm directory has a place, and fsck has nothing to say of it', async () => {
  using scratch = createScratch();
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  const place = store.warmDirectory(artifact.key, 'qemu-256m');
  assert.equal(place, path.join(store.root, 'warm', artifact.key, 'qemu-256m'));
  assert.equal(existsSync(path.join(store.root, 'warm')), false, 'looking makes nothing');
  assert.equal(warm(store, artifact, 'qemu-256m'), place);
  assert.deepEqual((await store.check()).damaged, []);
  const { count, bytes, reclaimable } = rowOf(store, 'warm')!;
  assert.deepEqual([count, reclaimable], [1, 0]);
  assert.ok(bytes >= 8192 && bytes < 65536);
  for (const name of ['', '.', '..', 'a/b', '.hidden', 'a.draft', 'A']) {
    assert.throws(() => store.warmDirectory(artifact.key, name), { code: 'internal' }, name);
  }
  assert.throws(() => store.warmDirectory('../..', 'x'), { code: 'internal' });
});

test('it goes with its artifact', async () => {
  using scratch = createScratch();
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  const place = warm(store, artifact, 'qemu');
  const reasons = store.collectGarbage().kept.filter(({ kind }) => kind === 'warm');
  assert.deepEqual(
    reasons.map(({ reason }) => reason),
    ['artifact of docker.io/library/app:1'],
  );
  assert.ok(existsSync(place));
  const lease = store.lease('zone', [artifact.manifest!]);
  store.removeImages([app.image]);
  assert.deepEqual([existsSync(place), existsSync(artifact.path)], [true, true]);
  lease.release();
  for (const options of [{ olderThan: 3600_000 }, { dryRun: true }, {}]) {
    const removed = store.collectGarbage(options).removed.map(({ kind }) => kind);
    const both = removed.filter(kind => kind === 'artifact' || kind === 'warm');
    assert.deepEqual(both, options.olderThan ? [] : ['artifact', 'warm']);
  }
  assert.deepEqual(readdirSync(path.join(store.root, 'warm')), []);
  assert.deepEqual(readdirSync(path.join(store.root, 'trash')), []);
});

test('rm takes it at once, but not while it is in use', { skip: needsLocks }, async () => {
  for (const mode of ['shared', 'exclusive'] as const) {
    using scratch = createScratch();
    const { store, artifact } = await filled(scratch.at('root'));
    using _ = store;
    const [used, idle] = [warm(store, artifact, 'used'), warm(store, artifact, 'idle')];
    const lock = tryLock(path.join(used, 'lock'), mode)!;
    store.removeImages([app.image]);
    assert.deepEqual([existsSync(used), existsSync(idle), existsSync(artifact.path)], [true, false, false]);
    assert.deepEqual(
      store.collectGarbage().kept.map(({ kind, reason }) => [kind, reason]),
      [['warm', 'it is in use']],
    );
    lock[Symbol.dispose]();
    assert.deepEqual(
      store.collectGarbage().removed.map(({ kind }) => kind),
      ['warm'],
    );
    assert.equal(existsSync(used), false);
    assert.throws(() => tryLock(path.join(used, 'lock'), 'shared'), { code: 'ENOENT' });
  }
});

test('a draft is left alone for an hour, or while it is locked', { skip: needsLocks }, async () => {
  for (const name of ['.qemu', 'qemu.17.draft']) {
    using scratch = createScratch();
    const { store, artifact } = await filled(scratch.at('root'));
    using _ = store;
    const draft = path.join(store.root, 'warm', artifact.key, name);
    mkdirSync(draft, { recursive: true });
    assert.deepEqual(store.collectGarbage().removed, []);
    const lock = tryLock(path.join(draft, 'lock'))!;
    utimesSync(draft, 1, 1);
    assert.deepEqual(store.collectGarbage().removed, []);
    lock[Symbol.dispose]();
    const removed = store.collectGarbage().removed.map(each => `${each.kind} ${each.name}`);
    assert.deepEqual(removed, [`temporary warm/${artifact.key}/${name}`]);
    assert.deepEqual(readdirSync(path.join(store.root, 'warm')), []);
  }
});

test("other modules' directories are measured and left alone, but for old initramfs", async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const others = [
    'kernels/linux-6.1/vmlinux',
    'volumes/data',
    'zones/abc/scratch',
    'initramfs/new',
    'initramfs/old',
  ];
  for (const name of others) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), noise(1, 8192));
  }
  truncateSync(path.join(root, 'volumes/data'), 2 ** 32);
  utimesSync(path.join(root, 'initramfs/old'), 1, 1);
  for (const name of ['new', 'gone']) symlinkSync(name, path.join(root, `initramfs/key-${name}`));
  lutimesSync(path.join(root, 'initramfs/key-gone'), 1, 1);
  utimesSync(path.join(root, 'kernels/linux-6.1/vmlinux'), 1, 1);
  // They may have been there before the cache was.
  const { store } = await filled(root);
  using _ = store;
  for (const kind of ['kernels', 'volumes', 'zones']) {
    const { count, bytes, reclaimable } = rowOf(store, kind)!;
    assert.deepEqual([count, reclaimable], [1, 0]);
    assert.ok(bytes >= 8192 && bytes < 65536, `${kind}: ${bytes}`);
  }
  assert.deepEqual(rowOf(store, 'initramfs')!.count, 2);
  const report = store.collectGarbage();
  assert.deepEqual(
    report.removed.map(({ kind, name, reason }) => [kind, name, reason]),
    [
      ['temporary', 'initramfs/key-gone', 'a process left it behind'],
      ['initramfs', 'initramfs/old', 'nobody has used it for a day'],
    ],
  );
  assert.deepEqual(
    others.map(name => existsSync(path.join(root, name))),
    [true, true, true, true, false],
  );
  assert.deepEqual((await store.check()).damaged, []);
});

test('a directory of somebody else is still none of ours', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  mkdirSync(path.join(root, 'zones'), { recursive: true });
  writeFileSync(path.join(root, 'letter'), 'x');
  await assert.rejects(openStore({ root }), { code: 'invalid' });
});
