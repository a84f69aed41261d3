import { drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { layerSuite } from '../../suite/layers.ts';
import type { Root } from '../../suite/snapshotter.ts';
import { createZpool, requiresZfs } from './zpool.ts';

const datasets = new Map<string, string>();

layerSuite('zfs', {
  async open(root: string) {
    const settings = { dataset: datasets.get(root)! };
    return await Snapshots.open(root, await drivers.zfs.open({ root, settings }));
  },
  createRoot(): Root {
    const pool = createZpool();
    datasets.set(`${pool.path}/s`, pool.dataset);
    return pool;
  },
  skip: requiresZfs(),
  canRebase: false,
  // Under emulation each takes many seconds.
  rounds: 2,
});
