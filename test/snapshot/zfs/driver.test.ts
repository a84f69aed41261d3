/** The driver against a model of the tools: what it asks them for, and what it makes of what they say. Mounts need the real ones: suite.test.ts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { createScratch } from '../../host/scratch.ts';
import { createZfsModel } from './zfs-model.ts';

let scratch: ReturnType<typeof createScratch>;
let model: ReturnType<typeof createZfsModel>;
let root: string;
const path = process.env.PATH;

beforeEach(() => {
  scratch = createScratch();
  root = scratch.at('s');
  model = createZfsModel(scratch.at('model'), [
    'tank',
    'tank/shale',
    'tank/volume',
    'tank/used',
    'tank/used/home',
  ]);
  process.env.PATH = `${model.bin}:${path}`;
});

afterEach(() => {
  process.env.PATH = path;
  scratch[Symbol.dispose]();
});

const open = async (dataset = 'tank/shale', at = root) =>
  await Snapshots.open(at, await drivers.zfs.open({ root: at, settings: { dataset } }));

const words = () => model.state.calls.map(call => call.join(' '));

test('a dataset for what is active, a snapshot of it for what is committed, a clone for what comes after', async () => {
  await using snapshots = await open();
  assert.deepEqual(await snapshots.prepare('active', undefined), [
    { type: 'zfs', source: 'tank/shale/1', options: [] },
  ]);
  await snapshots.commit('base', 'active');
  assert.deepEqual(await snapshots.usage('base'), { size: 65536, inodes: 7 });
  const mounts = await snapshots.prepare('next', 'base');
  assert.deepEqual(mounts, [{ type: 'zfs', source: 'tank/shale/2', options: [] }]);
  assert.equal(snapshots.identify(mounts), 'next');
  assert.equal(snapshots.identify([{ type: 'zfs', source: 'tank/shales/2', options: [] }]), undefined);
  assert.deepEqual(await snapshots.view('look', 'base'), [
    { type: 'zfs', source: 'tank/shale/3', options: ['ro'] },
  ]);
  assert.deepEqual(await snapshots.usage('next'), { size: 131072, inodes: 2 }, 'less what is below');
  assert.deepEqual(
    words()
      .filter(call => !/^zfs (get|userspace|list) /.test(call))
      .slice(1),
    [
      'zfs create -o mountpoint=legacy -o xattr=sa -o acltype=posixacl tank/shale/1',
      'zfs snapshot tank/shale/1@committed',
      'zfs clone -o mountpoint=legacy tank/shale/1@committed tank/shale/2',
      'zfs clone -o mountpoint=legacy tank/shale/1@committed tank/shale/3',
      'zpool sync tank',
    ],
  );
  for (const key of ['next', 'look', 'base']) await snapshots.remove(key);
  assert.deepEqual(
    Object.keys(model.state.datasets).filter(name => name.startsWith('tank/shale/')),
    [],
  );
  assert.deepEqual(model.state.snapshots, {});
});

test('what a crash has left is made again, committed again, removed again', async () => {
  await using snapshots = await open();
  const { driver } = snapshots;
  const snapshot = { id: 7, kind: 'active', parents: [] } as const;
  await driver.create(snapshot);
  await driver.create(snapshot);
  await driver.commit(snapshot);
  await driver.commit(snapshot);
  assert.deepEqual(await driver.list!(), [7]);
  await driver.remove(7);
  await driver.remove(7);
  await driver.create(snapshot);
  await snapshots.cleanup();
  assert.deepEqual(await driver.list!(), [], 'no row says that it should be there');
});

test('what is mounted is not removed, and says so', async () => {
  await using snapshots = await open();
  await snapshots.prepare('active', undefined);
  model.change(state => state.mounted.push('tank/shale/1'));
  await assert.rejects(snapshots.remove('active'), { code: 'conflict', message: /is busy/, hint: /mounted/ });
  model.change(state => state.mounted.pop());
  await snapshots.cleanup();
  assert.ok(!('tank/shale/1' in model.state.datasets));
});

test('a pool without room is exhausted, and leaves nothing', async () => {
  await using snapshots = await open();
  model.change(state => {
    state.failures.create = "cannot create 'tank/shale/1': out of space";
  });
  await assert.rejects(snapshots.prepare('active', undefined), {
    code: 'exhausted',
    hint: /remove snapshots/,
  });
  await assert.rejects(snapshots.stat('active'), { code: 'not-found' });
});

test('a dataset is one root’s: another one, and what others have in it, is refused', async () => {
  await (await open()).close();
  await (await open()).close();
  const other = scratch.at('other');
  await assert.rejects(open('tank/shale', other), { code: 'conflict', message: /another root/ });
  model.change(state => {
    state.datasets['tank/numbers'] = { properties: {} };
    state.datasets['tank/numbers/12'] = { properties: {} };
    // Whose it is does not go for what is below.
    state.datasets['tank/shale/nested'] = { properties: {} };
  });
  await assert.rejects(open('tank/numbers', other), { code: 'conflict', message: /not Shale’s/ });
  await (await open('tank/shale/nested', other)).close();
  await assert.rejects(open('tank/absent', other), { code: 'not-found' });
});

test('names that are none of a filesystem never reach the tools', async () => {
  for (const dataset of ['', '-r', 'tank/', '/tank', 'tank@x', 'tank/a#b', 'tank//a', 'a\nb', 'tank/%recv']) {
    await assert.rejects(drivers.zfs.open({ root, settings: { dataset } }), { code: 'invalid' }, dataset);
  }
  await assert.rejects(drivers.zfs.open({ root, settings: { pool: 'tank' } }), {
    code: 'invalid',
    hint: /dataset/,
  });
  await assert.rejects(drivers.zfs.open({ root, settings: {} }), { code: 'invalid', hint: /zfs create/ });
  assert.deepEqual(words(), []);
});

test('probing says what is missing: tools, the module, the dataset', {
  skip: process.geteuid?.() !== 0 && 'needs root',
}, async () => {
  const probe = (settings: Record<string, string> = {}) => drivers.zfs.probe({ root, settings });
  const without = await probe();
  assert.ok(!without.usable && /no dataset is named/.test(without.reason) && /zfs create/.test(without.hint));
  assert.deepEqual(await probe({ dataset: 'tank/shale' }), { usable: true });
  const volume = await probe({ dataset: 'tank/volume' });
  assert.ok(!volume.usable && /is a volume/.test(volume.reason));
  const absent = await probe({ dataset: 'tank/absent' });
  assert.ok(!absent.usable && /does not exist/.test(absent.reason) && /zfs create/.test(absent.hint));
  model.change(state => {
    state.failures.list =
      "The ZFS modules are not loaded.\nTry running '/sbin/modprobe zfs' as root to load them.";
  });
  const module = await probe({ dataset: 'tank/shale' });
  assert.ok(!module.usable && /modules are not loaded/.test(module.reason) && /zfs-dkms/.test(module.hint));
  process.env.PATH = scratch.at('nothing');
  const tools = await probe({ dataset: 'tank/shale' });
  assert.ok(tools.usable === false || existsSync('/usr/sbin/zfs') || existsSync('/sbin/zfs'));
  if (!tools.usable && !existsSync('/sbin/zfs'))
    assert.match(`${tools.reason}: ${tools.hint}`, /no zfs.*zfsutils-linux/);
});
