/**
 * Images on this machine, and what is written to them:
 *
 *     mountImage ─► … written … ─► diff, commitSnapshot ─► umountImage        what `shale mount` and its like do
 *     prepareSnapshot, commitActive, …                                        the snapshotter, by hand
 *     openSnapshots, unpackImage, findRendered                                what all of them, and the daemon, stand on
 */
export type { ListedChange } from '../../layer/diff/index.ts';
export type {
  DriverChoice,
  DriverName,
  Mount,
  SnapshotInfo,
  Snapshots,
  Snapshotter,
  Usage,
} from '../../snapshot/index.ts';
export { driverNames } from '../../snapshot/index.ts';
export { type CommitRequest as SnapshotCommitRequest, commitSnapshot } from './commit.ts';
export { type DiffRequest, type DiffResult, diff } from './diff.ts';
export { checkDrivers } from './doctor.ts';
export {
  cleanSnapshots,
  commitActive,
  listSnapshots,
  type PreparedSnapshot,
  prepareSnapshot,
  removeSnapshots,
  type SnapshotRequest,
  type SnapshotSummary,
  snapshotMounts,
  snapshotUsage,
} from './manage.ts';
export { type MountRequest, type MountResult, mountImage } from './mount.ts';
export { findMounted, type MountedImage } from './mounted.ts';
export { openSnapshots, parseDriver, type SnapshotterOptions } from './open.ts';
export { type UmountRequest, type UmountResult, umountImage, umountLeft } from './umount.ts';
export { type UnpackedImage, unpackImage } from './unpack.ts';
export type { UpperChoice } from './upper.ts';
