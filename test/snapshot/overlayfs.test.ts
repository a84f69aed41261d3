import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { layerSuite } from '../suite/layers.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const candidate = {
  open: async (root: string) => await Snapshots.open(root, await drivers.overlayfs!.open({ root })),
  skip: requires({ mounts: ['overlay'] }),
  depth: 120,
  canRebase: true,
};

snapshotterSuite('overlayfs', candidate);
layerSuite('overlayfs', candidate);
