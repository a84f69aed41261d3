import { openMountNamespace } from '../../src/host/index.ts';
import { type DriverName, drivers } from '../../src/snapshot/index.ts';
import { byHand, type StackRecipe } from './by-hand.ts';
import { snapshotted } from './snapshotted.ts';
import type { Subject } from './subject.ts';

type Description = Omit<Subject, 'open'>;

const options = 'lowerdir=LAYER…:LAYER,upperdir=UPPER,workdir=WORK';
const overlayCommand = `mount -t overlay overlay -o index=off,redirect_dir=nofollow,metacopy=off,${options} DIR`;

/** An upper directory that OverlayFS writes to, over lowers that are mounted themselves. */
const overlay: StackRecipe['mount'] = ({ lowers, upper, work, target }) =>
  `mount -t overlay overlay -o index=off,redirect_dir=nofollow,metacopy=off,lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work} ${target}`;

const rootless = byHand(
  {
    mount: ({ lowers, upper, work, target }) =>
      `mount -t overlay overlay -o userxattr,lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work} ${target}`,
    stage: () => openMountNamespace({ rootless: true }),
  },
  {
    name: 'overlayfs rootless',
    about: "the kernel's OverlayFS in a user namespace",
    commands: [
      'unshare --user --map-root-user --mount',
      `mount -t overlay overlay -o userxattr,${options} DIR`,
    ],
    filesystem: 'ext4',
    needs: ['unshare', 'nsenter'],
  },
);

const fuse = byShaleOrHand(
  'fuse-overlayfs',
  {
    mount: ({ lowers, upper, work, target }) =>
      `fuse-overlayfs -o lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work} ${target}`,
  },
  {
    name: 'fuse-overlayfs',
    about: 'the same idea as a process, by way of FUSE',
    commands: [`fuse-overlayfs -o ${options} DIR`],
    filesystem: 'ext4',
    needs: ['fuse-overlayfs'],
  },
);

const erofs = byShaleOrHand(
  'erofs',
  {
    mount: overlay,
    pack: ({ directory, image, mounted }) => [
      `mkfs.erofs --quiet ${image} ${directory} > /dev/null && sync ${image}`,
      `mount -t erofs -o loop,ro ${image} ${mounted}`,
    ],
  },
  {
    name: 'erofs + overlayfs',
    about: 'each layer an EROFS, uncompressed; OverlayFS above them',
    commands: ['mkfs.erofs IMAGE LAYER', 'mount -t erofs -o loop,ro IMAGE LAYER', overlayCommand],
    filesystem: 'ext4',
    needs: ['mkfs.erofs'],
  },
);

const squashfs = byShaleOrHand(
  'squashfs',
  {
    mount: overlay,
    flat: true,
    pack: ({ directory, image, mounted }) => [
      `mksquashfs ${directory} ${image} -comp zstd -Xcompression-level 3 -no-progress -quiet && sync ${image}`,
      `mount -t squashfs -o loop,ro ${image} ${mounted}`,
    ],
  },
  {
    name: 'squashfs + overlayfs',
    about:
      'all layers one squashfs, zstd level 3; OverlayFS above it. A new layer means a new squashfs of everything',
    commands: [
      'mksquashfs ALL IMAGE -comp zstd -Xcompression-level 3',
      'mount -t squashfs -o loop,ro IMAGE LOWER',
      'mount -t overlay overlay -o lowerdir=LOWER,upperdir=UPPER,workdir=WORK DIR',
    ],
    filesystem: 'ext4',
    needs: ['mksquashfs'],
  },
);

/** What is compared, in the order in which it is shown. */
export const subjects: readonly Subject[] = [
  snapshotted('overlayfs', {
    name: 'overlayfs on ext4',
    about: "the kernel's OverlayFS, as root",
    commands: [overlayCommand],
    filesystem: 'ext4',
    needs: [],
  }),
  snapshotted('overlayfs', {
    name: 'overlayfs on xfs',
    about: 'the same where files can share blocks: a copy-up is a reflink',
    commands: [overlayCommand],
    filesystem: 'xfs',
    needs: [],
  }),
  rootless,
  fuse,
  erofs,
  squashfs,
  snapshotted('btrfs', {
    name: 'btrfs snapshots',
    about: 'each snapshot a subvolume that shares all blocks with its parent',
    commands: ['btrfs subvolume snapshot PARENT DIR'],
    filesystem: 'btrfs',
    needs: [],
  }),
  snapshotted('native', {
    name: 'copies on xfs',
    about: 'each snapshot a copy of the tree, whose files share blocks (reflinks)',
    commands: ['cp -a --reflink=always PARENT DIR'],
    filesystem: 'xfs',
    needs: [],
  }),
  snapshotted('native', {
    name: 'copies on ext4',
    about: 'each snapshot a full copy',
    commands: ['cp -a PARENT DIR'],
    filesystem: 'ext4',
    needs: [],
  }),
];

/** By the snapshotter's driver where there is one. */
function byShaleOrHand(driver: DriverName, recipe: StackRecipe, description: Description): Subject {
  const { needs: _, ...rest } = description;
  return drivers[driver] === undefined
    ? byHand(recipe, description)
    : snapshotted(driver, { ...rest, needs: driver === 'fuse-overlayfs' ? ['fuse-overlayfs'] : [] });
}
