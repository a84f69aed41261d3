import { statfsSync } from 'node:fs';

/** Of linux/magic.h, and of filesystems that have theirs in their own code. */
const names: Readonly<Record<number, string>> = {
  ...{
    61267: 'ext2/3/4',
    1481003842: 'xfs',
    2435016766: 'btrfs',
    4076150800: 'f2fs',
    3393526350: 'bcachefs',
  },
  ...{
    16914836: 'tmpfs',
    2240043254: 'ramfs',
    2035054128: 'overlay',
    26985: 'nfs',
    4283649346: 'cifs',
    1702057286: 'fuse',
  },
  ...{ 16914839: '9p', 801189825: 'zfs', 19780: 'vfat', 538032816: 'exfat', 1785031267: 'virtiofs' },
  ...{ 1936814952: 'squashfs', 3774210530: 'erofs', 38496: 'iso9660' },
};

/** What kind of filesystem a path is on, for people. Throws as `fs` does. */
export function findFilesystemName(path: string): string {
  const { type } = statfsSync(path, { bigint: true });
  const magic = Number(BigInt.asUintN(32, type));
  return names[magic] ?? `a filesystem of type 0x${magic.toString(16)}`;
}
