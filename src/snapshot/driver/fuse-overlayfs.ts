import { SnapshotError } from '../error.ts';
import type { Mount } from '../mount.ts';
import type { DriverFactory } from './driver.ts';
import type { Feature } from './kept-features.ts';
import { Places } from './places.ts';
import { findBadPath, probeFuseOverlay } from './probe-fuse-overlay.ts';
import { readSettings } from './settings.ts';
import { type StackedDirectories, StackedDriver, type Stacker } from './stacked-driver.ts';

/**
 * Layers as directories, stacked by a program: for users whose kernel does not let them mount an overlay, and for filesystems that
 * it does not take as an upper.
 *
 * The mounts are those that containerd's snapshotter of that name makes, whose `mount.fuse3` starts the program: source `overlay`, the rest in options.
 * What has no parent is a bind mount, for the program marks every directory that is made in it as opaque, and put onto a parent later those would hide
 * it; so only `openTarget` keeps what a layer deletes of a parent that comes later. A view of a single layer is no bind mount: whiteouts
 * and markers in it are the program's to understand.
 */
class FuseOverlay implements Stacker {
  readonly form = 'fuse-overlayfs';
  readonly features: readonly Feature[];

  constructor(features: readonly Feature[]) {
    this.features = features;
  }

  show({ kind, upper, work, lowers, empty, features }: StackedDirectories): readonly Mount[] {
    const isView = kind === 'view';
    if (lowers.length === 0) {
      return [{ type: 'bind', source: isView ? empty : upper, options: [isView ? 'ro' : 'rw', 'rbind'] }];
    }
    const own = isView ? ['ro'] : [`workdir=${work}`, `upperdir=${upper}`];
    const volatile = !isView && features.includes('volatile') ? ['volatile'] : [];
    const options = [...volatile, ...own, `lowerdir=${lowers.join(':')}`];
    return [{ type: 'fuse3.fuse-overlayfs', source: 'overlay', options }];
  }
}

export const fuseOverlayfs: DriverFactory = {
  probe: ({ root }) => probeFuseOverlay(root),
  async open(options) {
    const bad = findBadPath(options.root);
    if (bad !== undefined) {
      throw new SnapshotError('invalid', bad.reason, { detail: { root: options.root }, hint: bad.hint });
    }
    const { volatile } = readSettings('fuse-overlayfs', options);
    const stacker = new FuseOverlay(volatile === 'on' ? ['volatile'] : []);
    return new StackedDriver('fuse-overlayfs', new Places(options.root), stacker);
  },
};
