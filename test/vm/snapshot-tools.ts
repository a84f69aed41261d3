/** The programs of this machine that tests of snapshot drivers call. */
const common = ['mount', 'umount', 'losetup', 'modprobe', 'sync', 'mv', 'truncate', 'getfattr', 'xargs'];
const thin = ['dmsetup', 'thin_check', 'thin_ls', 'thin_delta', 'blkdiscard', 'mkfs.ext4', 'mkfs.xfs', 'dd'];

export const snapshotTools = {
  common,
  devmapper: [...common, ...thin],
  directories: [...common, 'mkfs.ext4', 'mkfs.btrfs'],
} as const;
