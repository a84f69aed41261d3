/**
 * Snapshots of filesystems, as containerd defines them: `Snapshotter` is the contract, `Snapshots` the one implementation of it, over a database of names
 * and a driver that keeps contents. A driver is a file of `driver/`; what it is asked for is in `driver/driver.ts`.
 *
 *     Snapshots ── Metadata      names, parents, labels, what is under way    (SQLite)
 *         └─────── Driver        overlayfs, erofs, btrfs, …: places and mounts
 *     mountAll, openMounts       the kernel's side: mounts as it takes them
 *
 * Nothing here knows of images or registries. Layers go in by `openTarget` and out by `openChanges`; `src/layer` does the work on both.
 */

export {
  chooseDriver,
  type DriverChoice,
  type DriverTrial,
  driverRoot,
  openDriver,
  tryDriver,
} from './choice.ts';
export type {
  ApplyTarget,
  ChangeSource,
  Driver,
  DriverFactory,
  DriverName,
  DriverOptions,
  DriverSnapshot,
  LayerFile,
  Support,
} from './driver/driver.ts';
export { driverNames } from './driver/driver.ts';
export { drivers } from './driver/index.ts';
export { describeRootDirectory } from './driver/root-directory.ts';
export { SnapshotError } from './error.ts';
export type { Mount } from './mount.ts';
export { mountAll, type OpenMounts, openMounts } from './mounting.ts';
export { compactOverlay, escapePath } from './overlay-options.ts';
export { layerLabel } from './snapshot-tree.ts';
export { Snapshots } from './snapshots.ts';
export type {
  CommitOptions,
  LabelChanges,
  Labels,
  SnapshotInfo,
  SnapshotKind,
  SnapshotOptions,
  Snapshotter,
  Usage,
} from './snapshotter.ts';
