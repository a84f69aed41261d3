import type { SquashfsCompression } from '../../../squashfs/index.ts';
import type { Driver, DriverFactory, DriverOptions, Support } from '../driver.ts';
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
import { FlatLowers } from './flat-lowers.ts';
import { writeFlat } from './write-flat.ts';

/**
 * The layers below a snapshot as one compressed image. Layers are kept as files, too, as the driver erofs keeps them (`image/`), and are what images are made of: a
 * layer costs what it holds, once, and each chain that is used costs its flat image besides. That is for few images that are started often, on
 * slow or small disks; and for kernels without EROFS.
 *
 * The image is made when the mounts of an active snapshot or a view are asked for. Snapshots that are prepared for a layer to be applied (`purpose`) need
 * none where the kernel has EROFS: their mounts show the layers' files. Whoever unpacks images through mounts without saying so gets a flat image for
 * each layer's chain: right, and slow.
 */
export const squashfs: DriverFactory = {
  async probe(options): Promise<Support> {
    const { flat } = read(options);
    const support = await probeImage(options.root, 'squashfs', 'loop', async path => {
      await writeEmptyLayer(`${path}.layer`);
      await writeFlat(path, [`${path}.layer`], flat);
    });
    if (support.usable || flat.compression === 'gzip') return support;
    const gzip = { ...options, settings: { ...options.settings, compression: 'gzip', level: 'usual' } };
    if (!(await squashfs.probe(gzip)).usable) return support;
    return { ...support, hint: `this kernel's squashfs has no ${flat.compression}: use compression=gzip` };
  },
  async open(options): Promise<Driver> {
    const { flat, diskBytes, backing, seal } = read(options);
    const places = new LayerPlaces(options.root);
    const mounts = new ImageMounts(places.root, backing);
    const uppers = new UpperDirectories(places, mounts, diskBytes);
    const lowers = new FlatLowers(places, mounts, flat);
    const layers = new StackedLowers(places, mounts);
    const plainLowers = new FallbackLowers(layers, lowers);
    return new ImageDriver({ name: 'squashfs', places, mounts, uppers, lowers, plainLowers, layers, seal });
  },
};

function read(options: DriverOptions) {
  const { compression, level, ...common } = readSettings('squashfs', options);
  const flat = {
    compression: compression as SquashfsCompression,
    level: level === 'usual' ? undefined : Number(level),
  };
  return { flat, ...readCommon(common) };
}
