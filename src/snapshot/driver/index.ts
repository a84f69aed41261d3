import { aufs } from './aufs.ts';
import { btrfs } from './btrfs.ts';
import { devmapper } from './devmapper.ts';
import type { DriverFactory, DriverName } from './driver.ts';
import { erofs } from './erofs/index.ts';
import { fuseOverlayfs } from './fuse-overlayfs.ts';
import { native } from './native.ts';
import { overlayfs } from './overlayfs.ts';
import { squashfs } from './squashfs/index.ts';

const known = { overlayfs, 'fuse-overlayfs': fuseOverlayfs, erofs, squashfs, btrfs, native, aufs };
const known = { overlayfs, 'fuse-overlayfs': fuseOverlayfs, btrfs, devmapper, native, aufs };
import { zfs } from './zfs.ts';
const known = { overlayfs, 'fuse-overlayfs': fuseOverlayfs, btrfs, zfs, devmapper, native, aufs };
/** All drivers by name. */
export const drivers = known as unknown as Readonly<Record<DriverName, DriverFactory>>;
