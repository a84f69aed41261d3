import { statfsSync } from 'node:fs';

/** By the numbers of linux/magic.h, and of filesystems that have theirs in their own code. */
const names: Readonly<Record<string, string>> = {
  ...{ '0xef53': 'ext2/3/4', '0x58465342': 'xfs', '0x9123683e': 'btrfs', '0xf2f52010': 'f2fs' },
  ...{ '0xca451a4e': 'bcachefs', '0x2fc12fc1': 'zfs', '0x4d44': 'vfat', '0x2011bab0': 'exfat' },
  ...{ '0x1021994': 'tmpfs', '0x858458f6': 'ramfs', '0x794c7630': 'overlay', '0x65735546': 'fuse' },
  ...{ '0x6969': 'nfs', '0xff534d42': 'cifs', '0x1021997': '9p', '0x6a656a63': 'virtiofs' },
  ...{ '0x73717368': 'squashfs', '0xe0f5e1e2': 'erofs', '0x9660': 'iso9660' },
};

/** What kind of filesystem a path is on, for people. Throws as `fs` does. */
export function findFilesystemName(path: string): string {
  const { type } = statfsSync(path, { bigint: true });
  const magic = `0x${BigInt.asUintN(32, type).toString(16)}`;
  return names[magic] ?? `a filesystem of type ${magic}`;
}
