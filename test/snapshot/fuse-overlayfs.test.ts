import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

snapshotterSuite('fuse-overlayfs', {
  open: async root => await Snapshots.open(root, await drivers['fuse-overlayfs']!.open({ root })),
  skip: requires({ tools: ['fuse-overlayfs', 'fusermount3'], mounts: ['fuse'] }),
  canRebase: true,
});
