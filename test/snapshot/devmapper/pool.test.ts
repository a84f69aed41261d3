/** What the suite does not ask of a driver, and is particular to thin pools: reboots, full pools, other people's devices. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { unmount } from '../../../src/host/index.ts';
import { drivers, type Mount, mountAll, Snapshots } from '../../../src/snapshot/index.ts';
import { createScratch } from '../../host/scratch.ts';
import { createThinPool, devices, requiresThinPool, run, type TestPool } from './thin-pool.ts';

const skip = requiresThinPool();
let pool: TestPool;
let root: string;

before(() => {
  if (skip !== false) return;
  pool = createThinPool({ bytes: 2 ** 26 });
  root = join(pool.path, 's');
});

after(() => pool?.[Symbol.dispose]());

afterEach(() => {
  if (skip === false) assert.deepEqual(temporaryDevices(), [], 'what was borrowed was given back');
});

const temporaryDevices = () => devices('shale-').filter(name => /-r[0-9]+-/.test(name));

async function open(settings: Record<string, string> = {}): Promise<Snapshots> {
  const all = { pool: pool.name, base_size: '64M', ...settings };
  return await Snapshots.open(root, await drivers.devmapper.open({ root, settings: all }));
}

async function at(mounts: readonly Mount[], work: (place: string) => void): Promise<void> {
  const place = join(pool.path, 'mounted');
  mkdirSync(place, { recursive: true });
  await mountAll(mounts, place);
  try {
    work(place);
  } finally {
    unmount(place);
  }
}

async function removeAll(snapshots: Snapshots): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of snapshots.walk()) keys.unshift(key);
  for (const key of keys) await snapshots.remove(key);
}

test('a reboot takes the devices, and the next mounts bring them back', { skip }, async () => {
  await using snapshots = await open();
  const before = await snapshots.prepare('active', undefined);
  await at(before, place => writeFileSync(join(place, 'file'), 'written'));
  for (const name of devices('shale-')) run('dmsetup', 'remove', '--verifyudev', '--retry', name);
  const mounts = await snapshots.mounts('active');
  assert.deepEqual(mounts, before);
  await at(mounts, place => assert.equal(readFileSync(join(place, 'file'), 'utf8'), 'written'));
  await removeAll(snapshots);
});

test('usage is what thin_delta says, no more than was written and little besides', { skip }, async () => {
  await using snapshots = await open();
  const mounts = await snapshots.prepare('active', undefined);
  assert.deepEqual(
    await snapshots.usage('active'),
    { size: 0, inodes: 0 },
    'it shares all with the empty one',
  );
  const bytes = 3 * 2 ** 20;
  await at(mounts, place => {
    writeFileSync(join(place, 'file'), randomBytes(bytes));
    mkdirSync(join(place, 'directory'));
  });
  await snapshots.commit('done', 'active');
  const { size, inodes } = await snapshots.usage('done');
  assert.equal(inodes, 2);
  assert.ok(size >= bytes && size < bytes + 2 ** 21, `${size}`);
  assert.deepEqual(
    devices('shale-').filter(name => name !== pool.name),
    [],
    'nobody needs its device now',
  );
  await removeAll(snapshots);
});

test('while it is mounted an active one is measured, and cannot be committed', { skip }, async () => {
  await using snapshots = await open();
  const mounts = await snapshots.prepare('active', undefined);
  const place = join(pool.path, 'busy');
  mkdirSync(place);
  await mountAll(mounts, place);
  try {
    writeFileSync(join(place, 'file'), randomBytes(2 ** 20));
    const { size, inodes } = await snapshots.usage('active');
    assert.equal(inodes, 1);
    assert.ok(size >= 2 ** 20, `${size}`);
    await assert.rejects(snapshots.commit('done', 'active'), { code: 'conflict', hint: /unmount/ });
    await assert.rejects(snapshots.remove('active'), { code: 'conflict' });
  } finally {
    unmount(place);
  }
  await snapshots.cleanup();
  await removeAll(snapshots);
});

test('layers go in and changes come out through directories that nobody else sees', { skip }, async () => {
  await using snapshots = await open();
  const { driver } = snapshots;
  const snapshot = { id: 1_000_000, kind: 'active', parents: [] } as const;
  await driver.create(snapshot);
  {
    await using target = await driver.openTarget(snapshot);
    assert.equal(target.form, 'plain');
    assert.deepEqual(readdirSync(target.path), []);
    writeFileSync(join(target.path, 'file'), 'one');
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(root));
  }
  await driver.commit(snapshot);
  await driver.commit(snapshot);
  const next = { id: 1_000_001, kind: 'active', parents: [1_000_000] } as const;
  await driver.create(next);
  {
    await using target = await driver.openTarget(next);
    writeFileSync(join(target.path, 'file'), 'two');
  }
  {
    await using changes = await driver.openChanges(next);
    assert.ok(changes.kind === 'directories' && changes.older !== undefined);
    assert.equal(readFileSync(join(changes.older, 'file'), 'utf8'), 'one');
    assert.equal(readFileSync(join(changes.newer, 'file'), 'utf8'), 'two');
    assert.throws(() => writeFileSync(join(changes.older!, 'x'), ''), { code: 'EROFS' });
  }
  assert.deepEqual(await driver.list!(), [1_000_000, 1_000_001]);
  await snapshots.cleanup();
  assert.deepEqual(await driver.list!(), [], 'no row says that they should be there');
});

test('a full pool is said to be full, and what fits again can be made again', { skip }, async () => {
  await using snapshots = await open();
  const mounts = await snapshots.prepare('active', undefined);
  // Past the filesystem: that would see fewer blocks than there are.
  const device = mounts[0]!.source;
  spawnSync('dd', ['if=/dev/urandom', `of=${device}`, 'bs=1M', 'count=64', 'oflag=direct'], {
    stdio: 'ignore',
  });
  await assert.rejects(snapshots.prepare('more', 'active'), { code: 'conflict' });
  await assert.rejects(snapshots.prepare('more', undefined), { code: 'exhausted', hint: /remove snapshots/ });
  await snapshots.remove('active');
  await snapshots.prepare('more', undefined);
  await removeAll(snapshots);
});

test('a pool that somebody else uses is refused, and so is another pool for the same snapshots', {
  skip,
}, async () => {
  run('dmsetup', 'message', pool.name, '0', 'create_thin 4711');
  const settings = { pool: pool.name, base_size: '64M' };
  const other = join(pool.path, 'other');
  await assert.rejects(drivers.devmapper.open({ root: other, settings }), {
    code: 'conflict',
    hint: /of its own/,
  });
  assert.ok(!existsSync(join(other, 'pool.json')), 'the pool is not taken');
  run('dmsetup', 'message', pool.name, '0', 'delete 4711');
  await assert.rejects(drivers.devmapper.open({ root, settings: { data: '64M' } }), {
    code: 'conflict',
    hint: new RegExp(`pool=${pool.name}`),
  });
  await assert.rejects(drivers.devmapper.open({ root, settings: { pool: 'no-such-pool' } }), {
    code: 'conflict',
  });
  await assert.rejects(drivers.devmapper.open({ root: other, settings: { pool: 'no-such-pool' } }), {
    code: 'not-found',
  });
});

test('other settings are for what is made from then on', { skip }, async () => {
  const xfsSettings = { fs_type: 'xfs', base_size: '320M' };
  await assert.rejects(open(xfsSettings), { code: 'exhausted' }, 'the log alone is larger than the pool');
  using large = createThinPool({ bytes: 2 ** 28 });
  const place = join(large.path, 's');
  const openLarge = async (settings: Record<string, string>) => {
    const all = { pool: large.name, base_size: '64M', ...settings };
    return await Snapshots.open(place, await drivers.devmapper.open({ root: place, settings: all }));
  };
  {
    await using snapshots = await openLarge({});
    await at(await snapshots.prepare('active', undefined), place => writeFileSync(join(place, 'a'), ''));
    await snapshots.commit('small', 'active');
  }
  await using snapshots = await openLarge(xfsSettings);
  const xfs = await snapshots.prepare('active', undefined);
  assert.deepEqual(
    xfs.map(({ type, options }) => [type, options]),
    [['xfs', ['nouuid']]],
  );
  await at(xfs, place => {
    assert.deepEqual(readdirSync(place), []);
    writeFileSync(join(place, 'b'), 'b');
  });
  await snapshots.commit('large', 'active');
  const ext4 = await snapshots.prepare('active', 'small');
  assert.equal(ext4[0]!.type, 'ext4');
  await at(ext4, place => assert.deepEqual(readdirSync(place), ['a']));
  // Both at once: XFS minds the same UUID.
  const changed = await snapshots.prepare('changed', 'large');
  const seen = await snapshots.view('seen', 'large');
  await at(changed, outer => {
    writeFileSync(join(outer, 'b'), 'changed');
    const inner = join(large.path, 'seen');
    mkdirSync(inner);
    run('mount', '-t', 'xfs', '-o', seen[0]!.options.join(), seen[0]!.source, inner);
    assert.equal(readFileSync(join(inner, 'b'), 'utf8'), 'b');
    unmount(inner);
  });
  await removeAll(snapshots);
});

test('a pool on files comes and goes with who uses it, and keeps what is in it', { skip }, async () => {
  using scratch = createScratch();
  const files = scratch.at('snapshots');
  const settings = { data: '64M', base_size: '32M' };
  const openFiles = async () =>
    await Snapshots.open(files, await drivers.devmapper.open({ root: files, settings }));
  const support = await drivers.devmapper.probe({ root: files, settings });
  assert.ok(support.usable && /trying/.test(support.note!));
  assert.ok(!existsSync(files), 'probing makes nothing');
  const loops = () =>
    run('losetup', '--noheadings', '--output', 'BACK-FILE')
      .split('\n')
      .filter(name => name.startsWith(files));
  {
    await using snapshots = await openFiles();
    await using second = await openFiles();
    await at(await snapshots.prepare('active', undefined), place => {
      writeFileSync(join(place, 'file'), randomBytes(2 ** 23));
    });
    await second.commit('done', 'active');
  }
  assert.deepEqual(loops(), []);
  assert.deepEqual(
    devices('shale-').filter(name => name.endsWith('-pool')),
    [],
  );
  const taken = () => statSync(join(files, 'pool/data')).blocks * 512;
  const full = taken();
  await using snapshots = await openFiles();
  await at(await snapshots.view('view', 'done'), place => {
    assert.equal(statSync(join(place, 'file')).size, 2 ** 23);
  });
  await removeAll(snapshots);
  run('sync');
  assert.ok(
    full >= 2 ** 23 && taken() < full - 2 ** 22,
    `${full}, then ${taken()}: the disk has got it back`,
  );
});

test('probing says what is missing, one thing at a time', { skip }, async () => {
  const probe = (settings: Record<string, string>) => drivers.devmapper.probe({ root: '/nowhere', settings });
  assert.deepEqual(await probe({ pool: pool.name }), { usable: true });
  const none = await probe({});
  assert.ok(!none.usable && /no thin pool is named/.test(none.reason) && /pool=NAME/.test(none.hint));
  const absent = await probe({ pool: 'no-such-pool' });
  assert.ok(!absent.usable && /no-such-pool/.test(absent.reason));
});
