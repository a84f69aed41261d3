/** The cache as its owner sees it: what is in it, what goes, what it takes, and whether it is whole. */
export { type CachedImage, listImages, type RemoveResult, removeImages, tagImage } from './images.ts';
export { type CacheOptions, openCache } from './options.ts';
export { checkCache, collectGarbage, diskUsage } from './upkeep.ts';
