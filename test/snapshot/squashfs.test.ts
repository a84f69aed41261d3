import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { layerSuite } from '../suite/layers.ts';
import { snapshotterSuite } from '../suite/snapshotter.ts';

const candidate = {
  open: async (root: string) => await Snapshots.open(root, await drivers.squashfs.open({ root })),
  skip: requires({ mounts: ['squashfs', 'overlay'] }),
  depth: 20,
  canRebase: true,
  /** Times of squashfs are whole seconds. */
  normalise: (line: string) => line.replace(/^(\S+ \S+ \S+ \S+ -?\d+)\.\d+/, '$1.0'),
};

snapshotterSuite('squashfs', candidate);
layerSuite('squashfs', candidate);
