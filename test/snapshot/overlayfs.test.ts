import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

snapshotterSuite('overlayfs', {
  open: async root => await Snapshots.open(root, await drivers.overlayfs!.open({ root })),
  skip: requires({ mounts: ['overlay'] }),
  depth: 120,
  canRebase: true,
});
