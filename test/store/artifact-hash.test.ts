import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type MadeArtifact, openStore, type Store, type StoredArtifact } from '../../src/store/index.ts';
import { appendVerityTree, createVerityTree, measureFile } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { makeOld } from './old-database.ts';
import { createSample, digestOf, noise, put } from './sample.ts';

const app = createSample('docker.io/library/app:1', [1, 2]);
const keyOf = (name: string) => {
  return { manifest: app.image.manifest, format: 'squashfs', options: { name }, versions: {} };
};

async function filled(root: string): Promise<Store> {
  const store = await openStore({ root });
  await put(store, app);
  return store;
}

async function render(
  store: Store,
  bytes: Uint8Array,
  more: (file: string) => Promise<Partial<MadeArtifact>> = async () => ({}),
): Promise<StoredArtifact> {
  using draft = store.createArtifact(keyOf(`${bytes.length}`), 'sqfs');
  writeFileSync(draft.path, bytes);
  const made = await more(draft.path);
  return await draft.commit({ size: bytes.length, ...made });
}

const problems = async (store: Store, repair = false) =>
  (await store.check({ repair })).damaged.map(({ kind, action, problem }) => `${kind} ${action}: ${problem}`);

/** Changes rows behind the store's back. */
function tamper(store: Store, sql: string): void {
  const connection = new DatabaseSync(path.join(store.root, 'shale.db'));
  connection.exec(sql);
  connection.close();
}

/** Same size, other bytes, as a bad disk does it. */
function bend(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  chmodSync(file, 0o600);
  writeFileSync(file, bytes);
  chmodSync(file, 0o444);
}

const sizes = [0, 1, 4095, 4096, 4097, 8192, 127 * 4096, 128 * 4096, 129 * 4096, 129 * 4096 + 7, 3_000_000];

test('every artifact has the hashes that fsverity and veritysetup give', {
  skip: requires({ tools: ['fsverity', 'veritysetup'] }),
}, async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  for (const size of [...sizes, 128 * 128 * 4096 + 4096]) {
    const artifact = await render(store, noise(size, size));
    const said = execFileSync('fsverity', ['digest', '--compact', artifact.path], { encoding: 'utf8' });
    assert.equal(artifact.fsverity, `sha256:${said.trim()}`, `${size}`);
    assert.equal(artifact.digest, digestOf(readFileSync(artifact.path)));
    if (size === 0 || size % 4096 !== 0) {
      assert.deepEqual([artifact.rootHash, artifact.dataBlocks], [undefined, 0]);
      continue;
    }
    const tree = scratch.at(`tree-${size}`);
    const words = ['format', '--salt=-', artifact.path, tree];
    const root = /^Root hash:\s*(\w+)$/m.exec(execFileSync('veritysetup', words, { encoding: 'utf8' }));
    assert.deepEqual([artifact.rootHash, artifact.salt, artifact.dataBlocks], [root?.[1], '', size / 4096]);
  }
  // And one reading of each by fsck gives the same.
  assert.deepEqual(await problems(store), []);
});

test('what its maker knows is not computed again, and what it does not know is', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const bytes = noise(4, 5 * 4096);
  const full = await render(store, bytes);
  const known = [
    async (file: string) => ({ measured: await measureFile(file) }),
    async (file: string) => ({ measured: await measureFile(file), digest: digestOf(bytes) }),
    async () => ({ digest: digestOf(bytes) }),
  ];
  for (const more of known) {
    const { created, used, ...same } = await render(store, bytes, more);
    const { created: _, used: __, ...expected } = full;
    assert.deepEqual(same, expected);
  }
  const wrong = render(store, bytes, async () => ({ digest: digestOf(noise(5, 1)) }));
  await assert.rejects(wrong, { code: 'internal' });
  const other = { size: 4096, rootHash: undefined, salt: '', dataBlocks: 0, fsverity: 'sha256:' };
  await assert.rejects(
    render(store, bytes, async () => ({ measured: other })),
    { code: 'internal' },
  );
  await assert.rejects(
    render(store, bytes, async () => ({ signal: AbortSignal.abort() })),
    { code: 'cancelled' },
  );
  assert.deepEqual(readdirSync(path.join(store.root, 'artifacts')), [path.basename(full.path)]);
});

test('a tree that comes with it is stored with it', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const bytes = noise(4, 300 * 4096);
  const artifact = await render(store, bytes, async data => {
    const tree = `${data}.tree`;
    await createVerityTree({ data, tree });
    return { measured: await measureFile(data), tree };
  });
  const tree = store.findVerity(artifact)!;
  assert.deepEqual([tree.rootHash, tree.salt, tree.dataBlocks], [artifact.rootHash, '', 300]);
  assert.equal(statSync(tree.path).mode & 0o777, 0o444);
  assert.equal(readdirSync(path.join(store.root, 'artifacts')).length, 2);
  assert.deepEqual(await problems(store), []);
  const none = render(store, noise(4, 100), async data => {
    writeFileSync(`${data}.tree`, '');
    return { tree: `${data}.tree` };
  });
  await assert.rejects(none, { code: 'internal' });
});

test('a tree that is not of its data is found, whatever its digest says', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  for (const [at, where] of [
    [4096 + 5, 4096], // the uppermost level
    [2 * 4096 + 5, 8192], // the lowest one
    [4 * 4096 - 1, 3 * 4096], // what fills up its last block
  ]) {
    const artifact = await render(store, noise(4, 200 * 4096), async data => {
      const tree = `${data}.tree`;
      await createVerityTree({ data, tree });
      bend(tree, at!);
      return { measured: await measureFile(data), tree };
    });
    assert.equal(statSync(store.findVerity(artifact)!.path).size, 4 * 4096);
    const [problem, ...others] = await problems(store, true);
    assert.equal(problem, `verity dropped: at byte ${where} it is not what its data says`);
    assert.deepEqual(others, []);
    assert.equal(store.findVerity(artifact), undefined);
    assert.ok(existsSync(artifact.path));
  }
});

test('an artifact with its tree in it', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  for (const salt of [Buffer.alloc(0), noise(1, 32)]) {
    using draft = store.createArtifact(keyOf('appended'), 'erofs');
    writeFileSync(draft.path, noise(4, 200 * 4096));
    const { rootHash, salt: hex, dataBlocks } = await appendVerityTree({ data: draft.path, salt });
    const { size, fsverity } = await measureFile(draft.path);
    const measured = { size, rootHash, salt: hex, dataBlocks, fsverity };
    const artifact = await draft.commit({ size, measured });
    assert.deepEqual([artifact.dataBlocks, artifact.size], [200, 204 * 4096]);
    assert.deepEqual(await problems(store), []);
    tamper(store, `UPDATE artifact SET root_hash = '${'ab'.repeat(32)}'`);
    const [problem] = await problems(store);
    assert.equal(problem, `artifact none: its root hash is ${rootHash}, not ${'ab'.repeat(32)}`);
  }
});

test('fsck names what differs, and a repair drops it', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const seed = readSeed();
  const random = createRandom(seed);
  const bytes = noise(4, 130 * 4096);
  const cases: readonly (readonly [string, (artifact: StoredArtifact) => void, RegExp])[] = [
    [
      'digest',
      ({ path: file }) => bend(file, random.integer(bytes.length)),
      /^its digest is .*, not sha256:/,
    ],
    ['size', ({ path: file }) => truncateSync(file, 4096), /^it has 4096 bytes, not 532480$/],
    [
      'root',
      () => tamper(store, `UPDATE artifact SET root_hash = '00'`),
      /^its root hash is [0-9a-f]{64}, not 00$/,
    ],
    ['none', () => tamper(store, 'UPDATE artifact SET root_hash = NULL'), /^its root hash is .*, not none$/],
    [
      'fsverity',
      () => tamper(store, `UPDATE artifact SET fsverity = 'x'`),
      /^its fs-verity digest is .*, not x$/,
    ],
  ];
  for (const [what, damage, message] of cases) {
    const artifact = await render(store, bytes);
    damage(artifact);
    for (const repair of [false, true]) {
      const { damaged } = await store.check({ repair });
      assert.equal(damaged.length, 1, `${what}, seed ${seed}`);
      assert.match(damaged[0]!.problem, message);
      assert.deepEqual([damaged[0]!.kind, damaged[0]!.action], ['artifact', repair ? 'dropped' : 'none']);
    }
    assert.deepEqual([existsSync(artifact.path), store.artifacts()], [false, []], what);
  }
  assert.deepEqual(await problems(store), []);
});

test('a mode that lets somebody write is damage, and is repaired', async () => {
  using scratch = createScratch();
  using store = await filled(scratch.at('root'));
  const { path: file } = await render(store, noise(4, 4096));
  chmodSync(file, 0o644);
  assert.deepEqual(await problems(store), ['mode none: it is not read-only: its mode is 0644']);
  assert.deepEqual(await problems(store, true), ['mode repaired: it is not read-only: its mode is 0644']);
  assert.equal(statSync(file).mode & 0o7777, 0o444);
  assert.deepEqual(await problems(store), []);
});

test('a cache of version 2: its artifacts are found, and get their hashes by fsck, which says so', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const [sound, whole, bent] = await (async () => {
    using store = await filled(root);
    const made = [];
    for (const size of [5000, 6 * 4096, 7 * 4096]) made.push(await render(store, noise(size, size)));
    const [, tree] = made as [StoredArtifact, StoredArtifact];
    await store.putVerity(tree, to => createVerityTree({ data: tree.path, tree: to, salt: noise(1, 4) }));
    return made as [StoredArtifact, StoredArtifact, StoredArtifact];
  })();
  makeOld(root, 2);
  bend(bent.path, 5);
  const { ino } = lstatSync(path.join(root, 'shale.db'));
  const stores = await Promise.all([openStore({ root }), openStore({ root })]);
  const [store, other] = stores as [Store, Store];
  try {
    assert.equal(lstatSync(path.join(root, 'shale.db')).ino, ino, 'not made anew');
    const before = store.findArtifact(keyOf('5000'))!;
    assert.deepEqual(sound.made, { options: { name: '5000' }, versions: {} });
    const unmade = { made: undefined };
    assert.deepEqual(before, { ...sound, ...unmade, fsverity: undefined });
    assert.deepEqual(store.findArtifact(keyOf(`${6 * 4096}`))!.rootHash, undefined);
    const treeBefore = store.findVerity(whole);
    assert.ok(treeBefore, 'trees stay');
    assert.deepEqual(await other.measureArtifact(before), { ...sound, ...unmade });
    await assert.rejects(other.measureArtifact({ ...bent, fsverity: undefined }), { code: 'corrupt' });
    const { damaged, measured } = await store.check();
    assert.deepEqual(
      damaged.map(({ kind, name }) => `${kind} ${name}`),
      [`artifact ${path.relative(root, bent.path)}`],
    );
    assert.deepEqual(measured, [path.relative(root, whole.path)]);
    assert.deepEqual(store.findArtifact(keyOf(`${6 * 4096}`)), { ...whole, ...unmade });
    assert.deepEqual(store.findVerity(whole), treeBefore);
    for (const file of [sound.path, whole.path, treeBefore.path]) {
      assert.equal(statSync(file).mode & 0o7777, 0o444);
    }
    assert.deepEqual((await store.check({ repair: true })).measured, []);
    assert.deepEqual(await problems(store), []);
  } finally {
    for (const each of stores) each[Symbol.dispose]();
  }
});

test('an artifact of version 2 that nobody knew the digest of is forgotten', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const artifact = await (async () => {
    using store = await filled(root);
    const made = await render(store, noise(4, 4096));
    await store.putVerity(made, tree => createVerityTree({ data: made.path, tree }));
    return made;
  })();
  makeOld(root, 2);
  const connection = new DatabaseSync(path.join(root, 'shale.db'));
  connection.exec('UPDATE artifact SET digest = NULL');
  connection.close();
  using store = await openStore({ root });
  assert.deepEqual(store.artifacts(), []);
  assert.equal(store.collectGarbage().removed.length, 2);
  assert.equal(existsSync(artifact.path), false);
});
