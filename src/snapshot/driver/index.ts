import { aufs } from './aufs.ts';
import { btrfs } from './btrfs.ts';
import type { DriverFactory, DriverName } from './driver.ts';
import { native } from './native.ts';
import { overlayfs } from './overlayfs.ts';

/** All drivers by name. */
export const drivers = { overlayfs, btrfs, native, aufs } as unknown as Readonly<
  Record<DriverName, DriverFactory>
>;
