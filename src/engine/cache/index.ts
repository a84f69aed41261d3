/** The cache as its owner sees it: what is in it, what goes, what it takes, and whether it is whole. */
export type { FsckReport } from '../../store/index.ts';
export { type RemoveResult, removeImages, tagImage } from './images.ts';
export { type CachedImage, listImages } from './list-images.ts';
export type { UpkeepOptions } from './options.ts';
export {
  type CheckOptions,
  checkCache,
  collectGarbage,
  type DiskUsageReport,
  diskUsage,
  type GarbageReport,
} from './upkeep.ts';
