import { aufs } from './aufs.ts';
import { btrfs } from './btrfs.ts';
import type { DriverFactory, DriverName } from './driver.ts';
import { native } from './native.ts';
import { overlayfs } from './overlayfs.ts';

/** All drivers by name. */
export const drivers: Readonly<Partial<Record<DriverName, DriverFactory>>> = {
  overlayfs,
  btrfs,
  native,
  aufs,
};
