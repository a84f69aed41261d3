import { mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { findFilesystemName, inUserNamespace, isRoot, removeTree } from '../../host/index.ts';
import { openMounts, scratchPrefix } from '../mounting.ts';
import { escapePath } from '../overlay-options.ts';
import type { Support } from './driver.ts';

/** Whether an overlay with an upper directory in `root` can be mounted: tries it, and leaves nothing. */
export async function probeOverlay(root: string, extra: readonly string[] = []): Promise<Support> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const scratch = mkdtempSync(join(root, `${scratchPrefix}probe-`));
  try {
    const at = (name: string) => join(scratch, name);
    const option = (key: string, name: string) => `${key}=${escapePath(at(name))}`;
    for (const name of ['lower', 'lower/directory', 'upper', 'work']) mkdirSync(at(name));
    writeFileSync(at('lower/file'), 'probe');
    const directories = [option('workdir', 'work'), option('upperdir', 'upper'), option('lowerdir', 'lower')];
    const options = ['index=off', ...(inUserNamespace() ? ['userxattr'] : []), ...extra, ...directories];
    const mounted = await openMounts([{ type: 'overlay', source: 'overlay', options }], scratch);
    try {
      // A read-only mount is what the kernel gives where the upper's filesystem will not do.
      writeFileSync(join(mounted.path, 'file'), 'changed');
      // This takes a device as a whiteout, and an attribute that says that nothing below shows.
      rmdirSync(join(mounted.path, 'directory'));
      mkdirSync(join(mounted.path, 'directory'));
    } finally {
      mounted[Symbol.dispose]();
    }
    return { usable: true };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { usable: false, reason: error.message, hint: advise(error, root) };
  } finally {
    removeTree(scratch);
  }
}

function advise(error: Error, root: string): string {
  const code = error instanceof ShaleError ? error.code : undefined;
  const isUser = inUserNamespace();
  if (code === 'denied') {
    if (isUser)
      return 'before Linux 5.11 this takes root outside of a user namespace: use fuse-overlayfs there';
    return isRoot()
      ? 'this takes CAP_SYS_ADMIN: run it outside of the container, or give it that'
      : 'run it as root, or in a user namespace: shale unshare';
  }
  if (code === 'unsupported') return 'load the kernel’s module: modprobe overlay';
  const type = findFilesystemName(root) ?? 'this filesystem';
  // tmpfs keeps user.* attributes since Linux 6.6.
  const fit = isUser ? 'ext4, xfs or btrfs' : 'ext4, xfs, btrfs or tmpfs';
  return `${type} may be no fit upper directory: put --root on ${fit}`;
}
