import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkHostname, checkName, type NewZone, Zones } from '../../../src/zone/state/index.ts';
import { createScratch } from '../../host/scratch.ts';

const wanted: NewZone = {
  image: { reference: 'docker.io/library/busybox:1', manifest: 'sha256:0', config: 'sha256:1' },
  ...{ command: ['sh'], user: '', stopSignal: 'SIGTERM', memory: 1, cpus: 1, network: 'none', kernel: 'k' },
  ...{
    terminal: false,
    interactive: false,
    warm: false,
    verity: false,
    scratch: false,
    tmpfs: [],
    remove: false,
  },
};

test('zones are found by name, id and the start of an id', async () => {
  using scratch = createScratch();
  const zones = new Zones(scratch.path);
  assert.deepEqual(zones.all(), []);
  const named = await zones.create({ ...wanted, name: 'web' });
  const other = await zones.create(wanted);
  assert.match(other.record.name, /^busybox-[0-9a-f]{4}$/);
  for (const text of ['web', named.record.id, named.record.id.slice(0, 8)]) {
    assert.equal(zones.find(text).record.id, named.record.id);
  }
  assert.throws(() => zones.find('nope'), { code: 'not-found' });
  assert.throws(() => zones.find('../../etc'), { code: 'not-found' });
  assert.throws(() => zones.find(''), { code: 'not-found' });
  assert.deepEqual(
    zones.all().map(({ record }) => record.id),
    [named.record.id, other.record.id],
  );
});

test('a name belongs to one zone, even if many ask at once', async () => {
  using scratch = createScratch();
  const zones = new Zones(scratch.path);
  const made = await Promise.allSettled(
    Array.from({ length: 8 }, () => new Zones(scratch.path).create({ ...wanted, name: 'one' })),
  );
  const refused = made.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  assert.equal(refused.length, 7);
  for (const { reason } of refused) assert.equal(reason.code, 'exists');
  assert.equal(zones.all().length, 1);
});

test('each zone has a user of its own', { skip: process.geteuid?.() !== 0 && 'needs root' }, async () => {
  using scratch = createScratch();
  const zones = new Zones(scratch.path);
  const [first, second] = [await zones.create(wanted), await zones.create(wanted)];
  assert.notEqual(first.record.uid, second.record.uid);
  zones.remove(first.record.id);
  const third = await zones.create(wanted);
  assert.equal(third.record.uid, first.record.uid);
});

test('a claim sees the other zones, and may refuse', async () => {
  using scratch = createScratch();
  const zones = new Zones(scratch.path);
  const [first, second] = [await zones.create(wanted), await zones.create(wanted)];
  const volume = { file: '/a.img', path: '/data', readOnly: false };
  await zones.claim(first.record.id, [volume], others => {
    assert.deepEqual(
      others.map(({ record }) => record.id),
      [second.record.id],
    );
  });
  const refuse = () => {
    throw new Error('taken');
  };
  await assert.rejects(zones.claim(second.record.id, [volume], refuse), /taken/);
  assert.deepEqual(zones.find(first.record.id).record.volumes, [volume]);
  assert.deepEqual(zones.find(second.record.id).record.volumes, []);
});

test("what is no zone's directory, or has no whole record, is passed over", async () => {
  using scratch = createScratch();
  const zones = new Zones(scratch.path);
  const { record } = await zones.create(wanted);
  for (const name of ['0123456789ab', 'notes', '0123456789zz'])
    mkdirSync(path.join(scratch.path, 'zones', name));
  writeFileSync(path.join(scratch.path, 'zones', '0123456789ab', 'zone.json'), '{"version":1,"id":"cut of');
  assert.deepEqual(
    zones.all().map(zone => zone.record.id),
    [record.id],
  );
});

test('a sweep removes zones whose machine and launcher are gone, if they were to be removed', async () => {
  using scratch = createScratch();
  const zones = new Zones(scratch.path);
  const [gone, kept, alive] = [
    await zones.create({ ...wanted, remove: true }),
    await zones.create(wanted),
    await zones.create({ ...wanted, remove: true }),
  ];
  for (const { record } of [gone, kept]) zones.save({ ...record, launcher: undefined });
  zones.sweep();
  assert.equal(existsSync(gone.directory), false);
  assert.equal(existsSync(kept.directory), true);
  assert.equal(existsSync(path.join(kept.directory, 'run')), false);
  assert.equal(existsSync(alive.directory), true);
});

test('names and host names', () => {
  for (const name of ['a', 'A-1_.x', 'x'.repeat(63)]) assert.equal(checkName(name), name);
  for (const name of ['', '-a', '.a', 'a/b', '../a', 'a b', 'x'.repeat(64), 'a\n']) {
    assert.throws(() => checkName(name), { code: 'invalid' }, name);
  }
  for (const name of ['a', 'a.b', 'web-1']) assert.equal(checkHostname(name), name);
  for (const name of ['', '-a', 'a-', 'a..b', 'a_b', 'a b', 'x'.repeat(65), 'a\n']) {
    assert.throws(() => checkHostname(name), { code: 'invalid' }, name);
  }
});
