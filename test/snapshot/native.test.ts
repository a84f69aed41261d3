import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { layerSuite } from '../suite/layers.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const candidate = {
  open: async (root: string) => await Snapshots.open(root, await drivers.native!.open({ root })),
  skip: requires({ root: true, mounts: [] }),
  canRebase: false,
};

snapshotterSuite('native', candidate);
layerSuite('native', candidate);
