import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Driver } from '../../src/snapshot/index.ts';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { createScratch } from '../host/scratch.ts';

/** A driver whose work takes as long as the test wants. */
async function openSlow(root: string, doing: 'create' | 'commit') {
  const plain = await drivers.native.open({ root });
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = new Proxy(plain, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...words: unknown[]) => unknown;
      if (name !== doing) return call;
      return async (...words: unknown[]) => {
        await promise;
        return await call(...words);
      };
    },
  }) as Driver;
  return { snapshots: await Snapshots.open(root, slow), go: resolve };
}

test('what was being made when the snapshotter was closed keeps no key, in the same process either', async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  for (const doing of ['create', 'commit'] as const) {
    const { snapshots, go } = await openSlow(root, doing);
    if (doing === 'commit') await snapshots.prepare('key', undefined);
    const work = doing === 'create' ? snapshots.prepare('key', undefined) : snapshots.commit('done', 'key');
    const refused = assert.rejects(work, { code: 'unavailable', message: /closed/ });
    await snapshots.close();
    go();
    await refused;
    await using again = await Snapshots.open(root, await drivers.native.open({ root }));
    if (doing === 'create') await again.prepare('key', undefined);
    else await again.commit('done', 'key');
    await again.cleanup();
    await again.remove(doing === 'create' ? 'key' : 'done');
  }
});

test('what is under way is nobody else’s, in the same process either', async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  const { snapshots, go } = await openSlow(root, 'create');
  const work = snapshots.prepare('key', undefined);
  await using other = await Snapshots.open(root, await drivers.native.open({ root }));
  await other.cleanup();
  await assert.rejects(other.prepare('key', undefined), { code: 'exists' });
  go();
  await work;
  assert.equal((await other.stat('key')).kind, 'active');
  await snapshots.close();
});

test('names are listed of a driver that cannot be used any more', async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  mkdirSync(root);
  await using snapshots = await Snapshots.open(root, await drivers.native.open({ root }));
  await snapshots.prepare('key', undefined);
  assert.deepEqual(
    Snapshots.list(root).map(({ key }) => key),
    ['key'],
  );
});
