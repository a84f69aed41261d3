/** A containerd that unpacks the layers of an image at once, each on nothing, and names their parents when it commits them: its issue 13030 is what gets lost on the way. */
import { requires } from '../requirement.ts';
import { findParallelContainerd } from './containerd-lab.ts';
import { containerdSuite } from './containerd-suite.ts';

const { programs, skip } = findParallelContainerd();

for (const driver of ['overlayfs', 'erofs', 'squashfs'] as const) {
  containerdSuite(`containerd that unpacks at once, ${driver}`, {
    ...{ programs, driver, differ: true, rebase: true },
    skip: skip || (driver === 'overlayfs' ? false : requires({ mounts: [driver] })),
  });
}
