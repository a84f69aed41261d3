import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

snapshotterSuite('native', {
  open: async root => await Snapshots.open(root, await drivers.native!.open({ root })),
  skip: requires({ root: true, mounts: [] }),
  canRebase: false,
});
