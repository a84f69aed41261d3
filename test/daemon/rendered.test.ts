import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { RenderedRequest } from '../../src/daemon/index.ts';
import { SnapshotError } from '../../src/snapshot/error.ts';
import { snapshots, startFixture } from './fixture.ts';
import { MemorySnapshotter } from './memory.ts';

const reference = 'containerd.io/snapshot.ref';
const inNamespace = (namespace: string) => ({ headers: { 'containerd-namespace': namespace } });

describe('the remote-snapshot protocol', () => {
  test('what is rendered already exists, with the label and the parent by which containerd looks for it', async () => {
    const snapshotter = new MemorySnapshotter();
    const asked: RenderedRequest[] = [];
    await using fixture = await startFixture({
      snapshotter,
      async findRendered(request) {
        asked.push(request);
        if (request.chainId !== 'sha256:aa') return false;
        await snapshotter.prepare('draft', request.parent);
        await snapshotter.commit('shale/sha256:aa', 'draft', { labels: request.labels });
        return true;
      },
    });
    const labels = { [reference]: 'sha256:aa', 'containerd.io/snapshot/cri.layer-digest': 'sha256:bb' };
    const prepare = (key: string, namespace: string) =>
      fixture.call(snapshots, 'Prepare', { key, labels }, inNamespace(namespace));
    await assert.rejects(prepare('k8s.io/1/extract-1', 'k8s.io'), { code: status.ALREADY_EXISTS });
    assert.equal(snapshotter.entries.has('k8s.io/1/extract-1'), false, 'nothing was prepared');
    const [{ signal: _, ...request } = {}] = asked;
    assert.deepEqual(request, { chainId: 'sha256:aa', parent: undefined, labels, namespace: 'k8s.io' });
    const filters = [`labels."${reference}"==sha256:aa,parent==""`];
    const [found] = await fixture.list<{ info: { name: string; kind: string }[] }>(snapshots, 'List', {
      filters,
    });
    assert.deepEqual(
      found?.info.map(({ name, kind }) => [name, kind]),
      [['shale/sha256:aa', 'COMMITTED']],
    );
    // Another layer is unpacked as ever.
    await fixture.call(snapshots, 'Prepare', {
      key: 'k8s.io/2/extract-2',
      labels: { [reference]: 'sha256:cc' },
    });
    assert.equal(asked.length, 2);
  });

  test('what the same namespace has committed before a crash is found again; of another’s word nothing is believed', async () => {
    await using fixture = await startFixture();
    const { snapshotter } = fixture;
    await snapshotter.prepare('draft', undefined);
    await fixture.call(snapshots, 'Commit', {
      name: 'one/7/sha256:aa',
      key: 'draft',
      labels: { [reference]: 'sha256:aa' },
    });
    const prepare = (key: string, namespace: string, parent = '') =>
      fixture.call(
        snapshots,
        'Prepare',
        { key, parent, labels: { [reference]: 'sha256:aa' } },
        inNamespace(namespace),
      );
    await assert.rejects(prepare('one/8/x', 'one'), { code: status.ALREADY_EXISTS });
    await prepare('on/8/x', 'on');
    await prepare('two/8/x', 'two');
    await prepare('one/9/x', 'one', 'one/7/sha256:aa');
    // Where nobody says which namespace it is, the key does.
    const unsaid = { key: 'one/10/x', labels: { [reference]: 'sha256:aa' } };
    await assert.rejects(fixture.call(snapshots, 'Prepare', unsaid), { code: status.ALREADY_EXISTS });
    await fixture.call(snapshots, 'Prepare', { ...unsaid, key: 'three/1/x' });
  });

  test('a snapshot that is not committed yet is nothing to rely on', async () => {
    await using fixture = await startFixture();
    const labels = { [reference]: 'sha256:aa' };
    await fixture.call(snapshots, 'Prepare', { key: 'one/1/x', labels }, inNamespace('one'));
    await fixture.call(snapshots, 'Prepare', { key: 'one/2/x', labels }, inNamespace('one'));
  });

  for (const [what, findRendered] of [
    ['fails', () => Promise.reject(new SnapshotError('corrupt', 'the cache is damaged'))],
    ['lies', () => Promise.resolve(true)],
  ] as const) {
    test(`where the cache ${what} the layer is unpacked, and the log says why`, async () => {
      await using fixture = await startFixture({ findRendered });
      await fixture.call(snapshots, 'Prepare', { key: 'one/1/x', labels: { [reference]: 'sha256:aa' } });
      const warning = fixture.log.find(({ level }) => level === 'warn');
      assert.match(warning?.message ?? '', what === 'fails' ? /the cache is damaged/ : /cannot be found/);
      assert.equal(warning?.fields.chain_id, 'sha256:aa');
    });
  }
});
