import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const skip = requires({ mounts: ['erofs', 'overlay'] });

snapshotterSuite('erofs', {
  open: async root => await Snapshots.open(root, await drivers.erofs.open({ root })),
  skip,
  canRebase: true,
});
