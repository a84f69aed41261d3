import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { layerSuite } from '../suite/layers.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const candidate = {
  open: async (root: string) => await Snapshots.open(root, await drivers['fuse-overlayfs'].open({ root })),
  skip: requires({ tools: ['fuse-overlayfs', 'fusermount3'], mounts: ['fuse'] }),
  canRebase: true,
};

snapshotterSuite('fuse-overlayfs', candidate);
layerSuite('fuse-overlayfs', {
  ...candidate,
  // A directory over a symlink to itself over a directory cannot be listed: the program follows the symlink (ENOMEM, seen in 1.10).
  adapt: record => (record.type === 'symlink' ? { ...record, linkpath: `no-${record.linkpath}` } : record),
});
