import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { SnapshotError } from '../../src/snapshot/error.ts';
import { type Fixture, snapshots, startFixture } from './fixture.ts';
import { MemorySnapshotter } from './memory.ts';

interface Info {
  readonly name: string;
  readonly parent: string;
  readonly kind: string;
  readonly createdAt: { seconds: number; nanos: number };
  readonly updatedAt: { seconds: number; nanos: number };
  readonly labels: Record<string, string>;
}

const prepare = (fixture: Fixture, key: string, parent = '', labels = {}) =>
  fixture.call(snapshots, 'Prepare', { snapshotter: 'shale', key, parent, labels });
const commit = (fixture: Fixture, name: string, key: string, labels = {}) =>
  fixture.call(snapshots, 'Commit', { snapshotter: 'shale', name, key, labels });
const stat = async (fixture: Fixture, key: string) =>
  (await fixture.call<{ info: Info }>(snapshots, 'Stat', { key })).info;
const failsWith = (code: number, details: RegExp) => (error: { code: number; details: string }) => {
  assert.equal(status[error.code], status[code], error.details);
  assert.match(error.details, details);
  return true;
};

describe('the snapshots service', () => {
  test('the life of a snapshot', async () => {
    await using fixture = await startFixture();
    const before = Date.now();
    assert.deepEqual(await prepare(fixture, 'ns/1/a', '', { one: '1', empty: '' }), {
      mounts: [{ type: 'bind', source: '/snapshots/ns/1/a', target: '', options: ['rbind', 'rw'] }],
    });
    const active = await stat(fixture, 'ns/1/a');
    assert.deepEqual(
      { ...active, createdAt: 0, updatedAt: 0 },
      { name: 'ns/1/a', parent: '', kind: 'ACTIVE', labels: { one: '1' }, createdAt: 0, updatedAt: 0 },
    );
    const created = active.createdAt.seconds * 1000 + active.createdAt.nanos / 1e6;
    assert.ok(created >= before && created <= Date.now(), `created at ${created}`);
    assert.deepEqual(await fixture.call(snapshots, 'Mounts', { key: 'ns/1/a' }), {
      mounts: [{ type: 'bind', source: '/snapshots/ns/1/a', target: '', options: ['rbind', 'rw'] }],
    });
    assert.deepEqual(await commit(fixture, 'ns/2/b', 'ns/1/a', { two: '2' }), {});
    assert.deepEqual(await fixture.call(snapshots, 'View', { key: 'ns/3/v', parent: 'ns/2/b' }), {
      mounts: [{ type: 'bind', source: '/snapshots/ns/3/v', target: '', options: ['rbind', 'ro'] }],
    });
    assert.deepEqual((await stat(fixture, 'ns/2/b')).labels, { two: '2' });
    const view = await stat(fixture, 'ns/3/v');
    assert.deepEqual([view.kind, view.parent], ['VIEW', 'ns/2/b']);
    assert.deepEqual(await fixture.call(snapshots, 'Usage', { key: 'ns/2/b' }), { size: 5e9, inodes: 3 });
    assert.deepEqual(await fixture.call(snapshots, 'Remove', { key: 'ns/3/v' }), {});
    await assert.rejects(
      stat(fixture, 'ns/3/v'),
      failsWith(status.NOT_FOUND, /no snapshot ns\/3\/v \(look\)/),
    );
    assert.deepEqual(await fixture.call(snapshots, 'Cleanup', {}), {});
    assert.deepEqual(fixture.snapshotter.asked.at(-1), ['cleanup']);
  });

  test('a commit hands on the parent of a rebase', async () => {
    await using fixture = await startFixture();
    await prepare(fixture, 'a');
    await commit(fixture, 'base', 'a');
    await prepare(fixture, 'b');
    await fixture.call(snapshots, 'Commit', { name: 'top', key: 'b', parent: 'base' });
    assert.equal((await stat(fixture, 'top')).parent, 'base');
  });

  test('a driver that knows no rebase is no method that is missing: who is told so says nothing of it', async () => {
    const snapshotter = new MemorySnapshotter();
    const why = new SnapshotError('unsupported', 'native cannot put b onto another parent');
    snapshotter.commit = () => Promise.reject(why);
    await using fixture = await startFixture({ snapshotter });
    const refused = (parent: string) =>
      fixture.call(snapshots, 'Commit', { name: 'top', key: 'b', labels: {}, parent });
    await assert.rejects(
      refused('base'),
      failsWith(status.FAILED_PRECONDITION, /native cannot.*capabilities/),
    );
    await assert.rejects(refused(''), failsWith(status.UNIMPLEMENTED, /native cannot/));
  });

  test('what the snapshotter refuses has its status', async () => {
    await using fixture = await startFixture();
    await prepare(fixture, 'a');
    await assert.rejects(prepare(fixture, 'a'), failsWith(status.ALREADY_EXISTS, /there is a snapshot a/));
    await assert.rejects(prepare(fixture, 'b', 'a'), failsWith(status.FAILED_PRECONDITION, /not committed/));
    await assert.rejects(prepare(fixture, 'b', 'zz'), failsWith(status.NOT_FOUND, /zz/));
    await assert.rejects(prepare(fixture, ''), failsWith(status.INVALID_ARGUMENT, /key is empty/));
    await assert.rejects(
      prepare(fixture, 'c', '', { long: 'x'.repeat(4093) }),
      failsWith(status.INVALID_ARGUMENT, /"long" is longer than 4096 bytes/),
    );
    await prepare(fixture, 'c', '', { long: 'x'.repeat(4092) });
    fixture.snapshotter.gate = () => Promise.reject(new TypeError('a mistake \ud800 of ours'));
    await assert.rejects(prepare(fixture, 'd'), failsWith(status.INTERNAL, /a mistake/));
    const record = fixture.log.at(-1)!;
    assert.equal(record.level, 'error');
    assert.match(String(record.fields.stack), /^TypeError.*snapshots\.test/s);
  });

  test('an update changes the labels that its mask names', async () => {
    await using fixture = await startFixture();
    await prepare(fixture, 'a', '', { 'a.b': '1', c: '2' });
    const update = async (labels: object, paths: string[] | undefined) => {
      const updateMask = paths && { paths };
      const request = { info: { name: 'a', labels }, updateMask };
      return (await fixture.call<{ info: Info }>(snapshots, 'Update', request)).info.labels;
    };
    assert.deepEqual(await update({ 'a.b': '3', c: 'ignored' }, ['labels.a.b']), { 'a.b': '3', c: '2' });
    assert.deepEqual(await update({}, ['labels.c']), { 'a.b': '3' });
    assert.deepEqual(await update({ 'a.b': '' }, ['labels.a.b']), {});
    assert.deepEqual(await update({ d: '4' }, ['labels']), { d: '4' });
    assert.deepEqual(await update({ e: '5' }, []), { e: '5' });
    assert.deepEqual(await update({ f: '6' }, undefined), { f: '6' });
    for (const mask of ['parent', 'labels.', 'kind']) {
      await assert.rejects(update({}, [mask]), failsWith(status.INVALID_ARGUMENT, /cannot be changed/));
    }
    assert.deepEqual(await update({ ['__proto__']: 'x', g: '7' }, ['labels.g']), { f: '6', g: '7' });
    assert.equal(({} as Record<string, unknown>).x, undefined);
  });

  test('a list is streamed, and filtered', async () => {
    await using fixture = await startFixture();
    for (let n = 0; n < 250; n++) {
      await fixture.snapshotter.prepare(`k${n}`, undefined, { labels: { n: String(n % 3) } });
    }
    await fixture.snapshotter.commit('base', 'k0', { labels: { 'containerd.io/snapshot.ref': 'sha256:00' } });
    const list = (filters: string[]) => fixture.list<{ info: Info[] }>(snapshots, 'List', { filters });
    const all = await list([]);
    assert.deepEqual(
      all.map(({ info }) => info.length),
      [100, 100, 50],
    );
    const names = async (...filters: string[]) =>
      (await list(filters)).flatMap(({ info }) => info.map(({ name }) => name));
    assert.deepEqual(await names('kind==committed'), ['base']);
    assert.deepEqual(await names('labels."containerd.io/snapshot.ref"==sha256:00,parent==""'), ['base']);
    assert.deepEqual(await names('labels."containerd.io/snapshot.ref"==sha256:00,parent=="x"'), []);
    assert.deepEqual(await names('name==k7', 'name~=/^k24[89]$/'), ['k7', 'k248', 'k249']);
    assert.equal((await names('labels.n==0,kind==active')).length, 83);
    await assert.rejects(list(['name=']), failsWith(status.INVALID_ARGUMENT, /malformed at character 4/));
  });

  test('a message that is too large is refused, and the next is served', async () => {
    await using fixture = await startFixture();
    await assert.rejects(prepare(fixture, 'x'.repeat(17 << 20)), { code: status.RESOURCE_EXHAUSTED });
    await prepare(fixture, 'y');
  });

  test('who gives up, or has no more time, aborts the work', async () => {
    await using fixture = await startFixture();
    const { promise, resolve } = Promise.withResolvers<void>();
    fixture.snapshotter.gate = () => promise;
    const controller = new AbortController();
    const call = fixture.call(snapshots, 'Prepare', { key: 'a' }, { signal: controller.signal });
    while (fixture.snapshotter.signal === undefined) await new Promise(done => setTimeout(done, 5));
    const { signal } = fixture.snapshotter;
    assert.equal(signal.aborted, false);
    controller.abort();
    await assert.rejects(call, { code: status.CANCELLED });
    while (!signal.aborted) await new Promise(done => setTimeout(done, 5));

    const late = fixture.call(snapshots, 'Prepare', { key: 'b' }, { deadline: 50 });
    await assert.rejects(late, { code: status.DEADLINE_EXCEEDED });
    while (!fixture.snapshotter.signal!.aborted) await new Promise(done => setTimeout(done, 5));
    resolve();
  });
});
