import { constants, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../error/index.ts';
import { findFilesystemName, removeTree } from '../../host/index.ts';
import { scratchPrefix } from '../mounting.ts';
import { copyTree } from './copy-tree.ts';
import { DirectoryDriver, type DirectoryMaker } from './directory-driver.ts';
import type { DriverFactory, DriverOptions, Support } from './driver.ts';
import { Places } from './places.ts';
import { makeRootDirectory } from './root-directory.ts';
import { readSettings } from './settings.ts';

/** Plain copies: the driver that works everywhere, and takes the most of disk and time. Where the filesystem has reflinks, contents are shared. */
const copies: DirectoryMaker = {
  async make(path, parent, signal) {
    makeRootDirectory(path, parent);
    if (parent !== undefined) await copyTree(parent, path, { signal });
  },
  async remove(path) {
    removeTree(path);
  },
};

export const native: DriverFactory = {
  probe: async options => probe(options),
  async open(options) {
    readSettings('native', options);
    return new DirectoryDriver('native', new Places(options.root), copies);
  },
};

function probe({ root }: DriverOptions): Support {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const scratch = mkdtempSync(join(root, `${scratchPrefix}probe-`));
  try {
    const file = join(scratch, 'file');
    writeFileSync(file, Buffer.alloc(4096, 'probe'));
    copyFileSync(file, `${file}-copy`, constants.COPYFILE_FICLONE_FORCE);
    return { usable: true, note: `${findFilesystemName(root)} shares the contents of copies (reflinks)` };
  } catch (error) {
    if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS')) throw error;
    const type = findFilesystemName(root);
    return { usable: true, note: `each snapshot is a full copy of its parent: ${type} has no reflinks` };
  } finally {
    removeTree(scratch);
  }
}
