import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const skip = requires({ mounts: ['squashfs', 'overlay'] });

snapshotterSuite('squashfs', {
  open: async root => await Snapshots.open(root, await drivers.squashfs.open({ root })),
  skip,
  depth: 20,
  canRebase: true,
});
