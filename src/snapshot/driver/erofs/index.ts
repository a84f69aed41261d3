import type { Driver, DriverFactory, DriverOptions } from '../driver.ts';
import {
  FallbackLowers,
  ImageDriver,
  ImageMounts,
  LayerPlaces,
  probeImage,
  readCommon,
  StackedLowers,
  UpperDirectories,
  writeEmptyLayer,
} from '../image/index.ts';
import { readSettings } from '../settings.ts';
import { MergedLowers } from './merged-lowers.ts';

/**
 * Layers as files that the kernel mounts, and OverlayFS stacks: a layer costs one inode, is never changed by whoever it is that may write to directories, and can be
 * the very file of the cache.
 */
export const erofs: DriverFactory = {
  async probe(options) {
    const { backing } = read(options);
    return await probeImage(options.root, 'erofs', backing, writeEmptyLayer);
  },
  async open(options): Promise<Driver> {
    const { merged, diskBytes, backing, seal } = read(options);
    const places = new LayerPlaces(options.root);
    const mounts = new ImageMounts(places.root, backing);
    const uppers = new UpperDirectories(places, mounts, diskBytes);
    const plainLowers = new StackedLowers(places, mounts);
    const from = merged === 'auto' ? mergedFrom : merged === 'yes' ? 'always' : 'never';
    const mergedLowers = new MergedLowers(places, mounts, plainLowers, from);
    // Merged images have devices, which Linux knows since 5.16.
    const lowers = merged === 'auto' ? new FallbackLowers(mergedLowers, plainLowers) : mergedLowers;
    const layers = plainLowers;
    return new ImageDriver({ name: 'erofs', places, mounts, uppers, lowers, plainLowers, layers, seal });
  },
};

/** With so many layers a lookup of a name that is not there costs more than making the merged image did. */
const mergedFrom = 32;

function read(options: DriverOptions) {
  const settings = readSettings('erofs', options);
  return { merged: settings.merged, ...readCommon(settings) };
}
