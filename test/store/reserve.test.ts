import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { openStore } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createSample, put } from './sample.ts';

/** A disk of 2 MiB, and what else it can hold beside `root`. */
function mountSmall(at: string): Disposable | undefined {
  mkdirSync(at);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', at]).status !== 0) return undefined;
  return { [Symbol.dispose]: () => void spawnSync('umount', [at]) };
}

test('a full disk: a pull says so, and upkeep looks and makes room', async t => {
  using scratch = createScratch();
  using disk = mountSmall(scratch.at('disk'));
  if (disk === undefined) return t.skip('cannot mount a tmpfs');
  const root = scratch.at('disk/cache');
  const app = createSample('docker.io/library/app:1', [1, 2]);
  {
    using store = await openStore({ root });
    await put(store, app);
  }
  assert.ok(existsSync(`${root}/reserve`));
  assert.throws(() => writeFileSync(scratch.at('disk/rest'), Buffer.alloc(3 << 20)), { code: 'ENOSPC' });
  await assert.rejects(openStore({ root }), { code: 'exhausted', hint: /shale gc/ });
  {
    using store = await openStore({ root, upkeep: true });
    assert.equal(store.images().length, 1);
  }
  using store = await openStore({ root, upkeep: true });
  assert.ok(store.removeImages(store.findImages('app:1')).freedBytes > 0);
  assert.deepEqual(store.images(), []);
});
