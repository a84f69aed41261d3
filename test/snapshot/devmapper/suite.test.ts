import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { type Root, snapshotterSuite } from '../../suite/snapshotter.ts';
import { createThinPool, devices, requiresThinPool, type TestPool } from './thin-pool.ts';

const skip = requiresThinPool();
let pool: TestPool | undefined;

// One pool for all: under emulation it takes longer to make one than to test with it. Each test leaves nothing in it, or the next one notices.
before(() => {
  if (skip === false) pool = createThinPool();
});

after(() => {
  if (pool === undefined) return;
  try {
    assert.deepEqual(devices('shale-'), [], 'no device is left active');
    assert.equal(pool.check(), '');
  } finally {
    pool[Symbol.dispose]();
  }
});

snapshotterSuite('devmapper', {
  async open(root: string) {
    const settings = { pool: pool!.name, base_size: '64M' };
    return await Snapshots.open(root, await drivers.devmapper.open({ root, settings }));
  },
  createRoot: (): Root => ({ path: pool!.path, [Symbol.dispose]() {} }),
  skip,
  depth: 6,
  canRebase: false,
});
