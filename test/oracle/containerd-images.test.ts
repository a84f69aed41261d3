/** The machine's own containerd over snapshots whose layers are files. */
import { requires } from '../requirement.ts';
import { containerdSuite } from './containerd-suite.ts';

for (const driver of ['erofs', 'squashfs'] as const) {
  containerdSuite(`containerd, ${driver}`, { driver, skip: requires({ mounts: [driver] }) });
}
