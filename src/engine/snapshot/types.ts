export type { DriverName, Mount, SnapshotInfo, Usage } from '../../snapshot/index.ts';
export { driverNames } from '../../snapshot/index.ts';
