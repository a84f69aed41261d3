import { SnapshotError } from '../error.ts';
import type { DriverFactory } from './driver.ts';

const reason =
  'no kernel has AUFS: it was never merged into Linux, and distributions have dropped their patches';
const hint = 'use overlayfs; directories that AUFS has left can be read as layers: shale diff --form aufs';

/**
 * There is no such driver any more. What AUFS has left on disk is read as the form `aufs` of layers (`src/layer`): `.wh.` files, `.wh..wh..opq`, and
 * `.wh..wh.plnk` and its like, which are ignored.
 */
export const aufs: DriverFactory = {
  probe: async () => ({ usable: false, reason, hint }),
  async open() {
    throw new SnapshotError('unsupported', `the driver aufs cannot be used: ${reason}`, {
      detail: { driver: 'aufs' },
      hint,
    });
  },
};
