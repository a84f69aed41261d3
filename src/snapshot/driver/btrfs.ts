import { join } from 'node:path';
import { isErrno } from '../../error/index.ts';
import {
  createSubvolume,
  findFilesystemName,
  freezeSubvolume,
  isBtrfs,
  isSubvolume,
  removeSubvolume,
  removeTree,
  snapshotSubvolume,
} from '../../host/index.ts';
import { SnapshotError } from '../error.ts';
import { DirectoryDriver, type DirectoryMaker } from './directory-driver.ts';
import { measureOwnUsage } from './disk-usage.ts';
import type { DriverFactory, DriverOptions, Support } from './driver.ts';
import { Places } from './places.ts';
import { describeRootDirectory } from './root-directory.ts';
import { readSettings } from './settings.ts';

/** Each snapshot a subvolume, made of its parent's in an instant, sharing all that is not changed. */
const subvolumes: DirectoryMaker = {
  async make(path, parent) {
    if (parent !== undefined) snapshotSubvolume(parent, path);
    else {
      createSubvolume(path);
      describeRootDirectory(path, undefined);
    }
  },
  async remove(path) {
    removeVolume(path);
  },
  async freeze(path) {
    freezeSubvolume(path);
  },
  measure: measureOwnUsage,
};

/** A subvolume in which a workload has made others cannot go as a whole; file by file they all can (Linux 4.18). */
function removeVolume(path: string): void {
  if (!isSubvolume(path)) return;
  try {
    removeSubvolume(path);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY')) throw error;
    freezeSubvolume(path, { writable: true });
    removeTree(path);
  }
}

export const btrfs: DriverFactory = {
  probe: async options => probe(options),
  async open(options) {
    readSettings('btrfs', options);
    const places = new Places(options.root);
    const support = probe(options);
    if (support.usable) return new DirectoryDriver('btrfs', places, subvolumes);
    throw new SnapshotError('unsupported', `the driver btrfs cannot be used: ${support.reason}`, {
      detail: { driver: 'btrfs' },
      hint: support.hint,
    });
  },
};

function probe({ root }: DriverOptions): Support {
  const places = new Places(root);
  if (!isBtrfs(places.root)) {
    return {
      usable: false,
      reason: `${root} is on ${findFilesystemName(root)}`,
      hint: 'put --root on a btrfs: mkfs.btrfs DEVICE && mount DEVICE DIR',
    };
  }
  const scratch = join(places.root, 'probe');
  try {
    removeVolume(scratch);
    createSubvolume(scratch);
    removeVolume(scratch);
    return { usable: true };
  } catch (error) {
    removeTree(scratch);
    return {
      usable: false,
      reason: (error as Error).message,
      hint: 'this takes root, or the mount option user_subvol_rm_allowed',
    };
  }
}
