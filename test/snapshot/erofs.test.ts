import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { layerSuite } from '../suite/layers.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const candidate = {
  open: async (root: string) => await Snapshots.open(root, await drivers.erofs.open({ root })),
  skip: requires({ mounts: ['erofs', 'overlay'] }),
  depth: 60,
  canRebase: true,
};

snapshotterSuite('erofs', candidate);
layerSuite('erofs', candidate);
