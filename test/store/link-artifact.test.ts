import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { removeTree } from '../../src/host/index.ts';
import { openStore, type Store, type StoredArtifact } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { createSample, noise, put } from './sample.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);
const content = noise(5, 3_000_000);

async function filled(root: string): Promise<{ store: Store; artifact: StoredArtifact }> {
  const store = await openStore({ root });
  await put(store, app);
  return { store, artifact: await convert(store) };
}

async function convert(store: Store): Promise<StoredArtifact> {
  const key = { diffId: app.image.layers[0]!.diffId, format: 'erofs-layer', options: {}, versions: {} };
  using draft = store.createArtifact(key, 'erofs');
  writeFileSync(draft.path, content, { mode: 0o640 });
  return await draft.commit({ size: content.length });
}

const modeOf = (file: string) => (statSync(file).mode & 0o7777).toString(8);

test('on the same filesystem it is the same file, which nobody writes to', async () => {
  using scratch = createScratch();
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  mkdirSync(scratch.at('out'));
  const place = scratch.at('out/layer.erofs');
  assert.equal(await store.linkArtifact(artifact, place), 'link');
  assert.equal(statSync(place).ino, statSync(artifact.path).ino);
  assert.equal(modeOf(place), '444');
  // What stands there is replaced only by who says so.
  await assert.rejects(store.linkArtifact(artifact, place), { code: 'exists' });
  assert.equal(await store.linkArtifact(artifact, place, { replace: true }), 'link');
  writeFileSync(scratch.at('out/mine'), 'mine');
  await assert.rejects(store.linkArtifact(artifact, scratch.at('out/mine')), { code: 'exists' });
  assert.equal(readFileSync(scratch.at('out/mine'), 'utf8'), 'mine');
  symlinkSync('mine', scratch.at('out/arrow'));
  for (const name of ['mine', 'arrow']) {
    assert.equal(await store.linkArtifact(artifact, scratch.at(`out/${name}`), { replace: true }), 'link');
    assert.equal(lstatSync(scratch.at(`out/${name}`)).ino, statSync(artifact.path).ino, name);
  }
  assert.deepEqual(readdirSync(scratch.at('out')), ['arrow', 'layer.erofs', 'mine']);
  // It outlives the cache.
  store.removeImages([app.image]);
  assert.deepEqual(readFileSync(place), content);
});

test('what it cannot be put at, and what is not there', async () => {
  using scratch = createScratch();
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  mkdirSync(scratch.at('out/directory'), { recursive: true });
  const link = (name: string) => store.linkArtifact(artifact, scratch.at(name), { replace: true });
  await assert.rejects(link('out/directory'), { code: 'invalid' });
  await assert.rejects(link('nowhere/layer'), { code: 'not-found', message: /nowhere/ });
  chmodSync(artifact.path, 0o600);
  writeFileSync(artifact.path, 'cut');
  await assert.rejects(link('out/layer'), { code: 'not-found', hint: /again/ });
  assert.deepEqual(readdirSync(scratch.at('out')), ['directory']);
});

test('what an earlier version stored becomes read-only first', async () => {
  using scratch = createScratch();
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  chmodSync(artifact.path, 0o600);
  await store.linkArtifact(artifact, scratch.at('layer'));
  assert.deepEqual([modeOf(scratch.at('layer')), modeOf(artifact.path)], ['444', '444']);
});

const other = '/dev/shm';
const apart = lstatSync(other, { throwIfNoEntry: false })?.isDirectory() ? false : `needs ${other}`;

test('elsewhere it is copied, and compared on the way', { skip: apart }, async t => {
  using scratch = createScratch();
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  const away = mkdtempSync(path.join(other, 'shale-test-'));
  try {
    if (statSync(away).dev === statSync(artifact.path).dev) return t.skip('one filesystem');
    const place = path.join(away, 'layer.erofs');
    assert.equal(await store.linkArtifact(artifact, place), 'copy');
    assert.deepEqual(readFileSync(place), content);
    assert.equal(modeOf(place), '444');
    await assert.rejects(store.linkArtifact(artifact, place), { code: 'exists' });
    assert.equal(await store.linkArtifact(artifact, place, { replace: true }), 'copy');
    const abort = store.linkArtifact(artifact, path.join(away, 'x'), { signal: AbortSignal.abort() });
    await assert.rejects(abort, { code: 'cancelled' });
    const bytes = Buffer.from(content);
    bytes[2_000_000]! ^= 1;
    chmodSync(artifact.path, 0o600);
    writeFileSync(artifact.path, bytes);
    const damaged = store.linkArtifact(artifact, place, { replace: true });
    await assert.rejects(damaged, { name: 'StoreError', code: 'corrupt', hint: /fsck --repair/ });
    assert.deepEqual(readFileSync(place), content, 'what was there is there still');
    assert.deepEqual(readdirSync(away), ['layer.erofs']);
  } finally {
    removeTree(away);
  }
});

const noBtrfs =
  requires({ root: true, mounts: ['btrfs'] }) || (hasProgram('mkfs.btrfs') ? false : 'no mkfs.btrfs');

test('where blocks can be shared, a copy costs nothing', { skip: noBtrfs }, async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('disk'), '');
  truncateSync(scratch.at('disk'), 256 * 1024 * 1024);
  execFileSync('mkfs.btrfs', ['-q', scratch.at('disk')], { stdio: 'ignore' });
  mkdirSync(scratch.at('mounted'));
  execFileSync('mount', ['-o', 'loop', scratch.at('disk'), scratch.at('mounted')]);
  try {
    const { store, artifact } = await filled(scratch.at('mounted/root'));
    using _ = store;
    // A link is impossible to what is sealed.
    execFileSync('chattr', ['+i', artifact.path]);
    assert.equal(await store.linkArtifact(artifact, scratch.at('mounted/layer')), 'reflink');
    assert.deepEqual(readFileSync(scratch.at('mounted/layer')), content);
    assert.equal(modeOf(scratch.at('mounted/layer')), '444');
    assert.equal(
      await store.linkArtifact(artifact, scratch.at('mounted/layer'), { replace: true }),
      'reflink',
    );
    assert.deepEqual(readdirSync(scratch.at('mounted')), ['layer', 'root']);
  } finally {
    execFileSync('umount', [scratch.at('mounted')]);
  }
});

function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { stdio: 'ignore' }).status === 0;
}

/** Whether the directory's filesystem has the immutable flag, and we may set it. */
function canSeal(directory: string): boolean {
  const file = path.join(directory, 'flag');
  writeFileSync(file, '');
  try {
    execFileSync('chattr', ['+i', file], { stdio: 'ignore' });
    execFileSync('chattr', ['-i', file], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const chattr = { skip: requires({ tools: ['chattr'], root: true }) };

test('a sealed one cannot be linked: it is copied', chattr, async t => {
  using scratch = createScratch();
  if (!canSeal(scratch.path)) return t.skip('no immutable flag here');
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  execFileSync('chattr', ['+i', artifact.path]);
  try {
    const how = await store.linkArtifact(artifact, scratch.at('layer'));
    assert.ok(how === 'copy' || how === 'reflink');
    assert.deepEqual(readFileSync(scratch.at('layer')), content);
    assert.equal(modeOf(scratch.at('layer')), '444');
  } finally {
    execFileSync('chattr', ['-i', artifact.path]);
  }
});

test('a seal stays on what the user has', chattr, async t => {
  using scratch = createScratch();
  if (!canSeal(scratch.path)) return t.skip('no immutable flag here');
  for (const end of ['gc', 'fsck'] as const) {
    const { store, artifact } = await filled(scratch.at(end));
    using _ = store;
    const place = scratch.at(`${end}.erofs`);
    assert.equal(await store.linkArtifact(artifact, place), 'link');
    if (end === 'fsck') {
      chmodSync(artifact.path, 0o600);
      writeFileSync(artifact.path, noise(6, content.length));
      chmodSync(artifact.path, 0o444);
    }
    execFileSync('chattr', ['+i', place]);
    try {
      if (end === 'gc') store.removeImages([app.image]);
      else await store.check({ repair: true });
      assert.deepEqual([readdirSync(path.join(store.root, 'artifacts')), store.artifacts()], [[], []]);
      assert.deepEqual(readdirSync(path.join(store.root, 'trash')), []);
      assert.match(execFileSync('lsattr', [place], { encoding: 'utf8' }), /^-*i/);
    } finally {
      execFileSync('chattr', ['-i', place]);
    }
  }
});

test('gc, rm and fsck break the seal, and so does who makes it anew', chattr, async t => {
  using scratch = createScratch();
  if (!canSeal(scratch.path)) return t.skip('no immutable flag here');
  const ends: Record<string, (store: Store) => unknown> = {
    rm: store => store.removeImages([app.image]),
    gc: store => {
      const lease = store.lease('test', [app.image.layers[0]!.diffId]);
      store.removeImages([app.image]);
      assert.equal(store.artifacts().length, 1);
      lease.release();
      assert.equal(store.collectGarbage().removed.length, 1);
    },
    async fsck(store) {
      const [artifact] = store.artifacts();
      execFileSync('chattr', ['-i', artifact!.path]);
      chmodSync(artifact!.path, 0o600);
      writeFileSync(artifact!.path, noise(6, content.length));
      execFileSync('chattr', ['+i', artifact!.path]);
      const { damaged } = await store.check({ repair: true });
      // The one does not break a seal that the other breaks then.
      assert.deepEqual(damaged.map(({ kind, action }) => `${kind} ${action}`).sort(), [
        'artifact dropped',
        'mode none',
      ]);
    },
    async render(store) {
      const { path: file } = await convert(store);
      assert.deepEqual(readFileSync(file), content);
      store.removeImages([app.image]);
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    const { store, artifact } = await filled(scratch.at(name));
    using _ = store;
    execFileSync('chattr', ['+i', artifact.path]);
    try {
      await end(store);
    } finally {
      if (existsSync(artifact.path)) execFileSync('chattr', ['-i', artifact.path]);
    }
    assert.deepEqual(readdirSync(path.join(store.root, 'artifacts')), [], name);
    assert.deepEqual(store.artifacts(), []);
  }
});

const withoutCapability = ['--bounding-set=-linux_immutable', '--inh-caps=-linux_immutable', '--'];

test('who may not break it is told, and nothing else is held up', {
  skip: requires({ tools: ['chattr', 'setpriv'], root: true }),
}, async t => {
  using scratch = createScratch();
  if (!canSeal(scratch.path)) return t.skip('no immutable flag here');
  const { store, artifact } = await filled(scratch.at('root'));
  using _ = store;
  execFileSync('chattr', ['+i', artifact.path]);
  try {
    const child = path.join(import.meta.dirname, 'child.ts');
    const words = [...withoutCapability, process.execPath, child, store.root, 'rm', 'app:1'];
    execFileSync('setpriv', words, { stdio: 'pipe' });
    assert.equal(store.images().length, 0);
    assert.deepEqual(store.artifacts(), [artifact]);
    assert.deepEqual(readFileSync(artifact.path), content);
    assert.equal(store.measureUsage().rows[0]!.count, 0, 'the blobs went');
    const said = execFileSync('setpriv', [...words.slice(0, -2), 'kept'], { encoding: 'utf8' });
    assert.match(said, /^artifact .*\.erofs: it is sealed, and cannot be removed/m);
  } finally {
    execFileSync('chattr', ['-i', artifact.path]);
  }
  assert.equal(store.collectGarbage().removed.length, 1);
});
