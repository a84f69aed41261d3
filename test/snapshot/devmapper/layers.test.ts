import { drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { layerSuite } from '../../suite/layers.ts';
import type { Root } from '../../suite/snapshotter.ts';
import { createThinPool, requiresThinPool } from './thin-pool.ts';

const pools = new Map<string, string>();

layerSuite('devmapper', {
  async open(root: string) {
    const settings = { pool: pools.get(root)!, base_size: '64M' };
    return await Snapshots.open(root, await drivers.devmapper.open({ root, settings }));
  },
  createRoot(): Root {
    const pool = createThinPool();
    pools.set(`${pool.path}/s`, pool.name);
    return pool;
  },
  skip: requiresThinPool(),
  canRebase: false,
  // Under emulation each takes many seconds.
  rounds: 2,
});
