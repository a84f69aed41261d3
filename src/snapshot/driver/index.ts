import { aufs } from './aufs.ts';
import { btrfs } from './btrfs.ts';
import { devmapper } from './devmapper.ts';
import type { DriverFactory, DriverName } from './driver.ts';
import { erofs } from './erofs/index.ts';
import { fuseOverlayfs } from './fuse-overlayfs.ts';
import { native } from './native.ts';
import { overlayfs } from './overlayfs.ts';
import { squashfs } from './squashfs/index.ts';
import { zfs } from './zfs.ts';

/** All drivers by name. */
export const drivers: Readonly<Record<DriverName, DriverFactory>> = {
  overlayfs,
  'fuse-overlayfs': fuseOverlayfs,
  erofs,
  squashfs,
  btrfs,
  zfs,
  devmapper,
  native,
  aufs,
};
