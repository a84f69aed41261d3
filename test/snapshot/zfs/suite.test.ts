import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { type Root, snapshotterSuite } from '../../suite/snapshotter.ts';
import { createZpool, requiresZfs, run, type TestPool } from './zpool.ts';

const skip = requiresZfs();
let pool: TestPool | undefined;

// One pool for all, as for devmapper: what a test leaves in it the next one notices.
before(() => {
  if (skip === false) pool = createZpool();
});

after(() => {
  if (pool === undefined) return;
  try {
    assert.equal(run('zfs', 'list', '-H', '-r', '-t', 'all', '-o', 'name', pool.dataset), pool.dataset);
    assert.match(pool.scrub(), /is healthy/);
  } finally {
    pool[Symbol.dispose]();
  }
});

snapshotterSuite('zfs', {
  async open(root: string) {
    const settings = { dataset: pool!.dataset };
    return await Snapshots.open(root, await drivers.zfs.open({ root, settings }));
  },
  createRoot: (): Root => ({ path: pool!.path, [Symbol.dispose]() {} }),
  skip,
  depth: 6,
  canRebase: false,
});
