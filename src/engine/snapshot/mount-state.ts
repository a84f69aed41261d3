import { createHash } from 'node:crypto';
import {
  findBoot,
  findMount,
  identifyProcess,
  isRunning,
  listMounts,
  type MountPoint,
  type ProcessIdentity,
} from '../../host/index.ts';
import type { Labels } from '../../snapshot/index.ts';
import { byteString } from '../../tree/index.ts';
import { labels } from './label.ts';

/**
 * `mounting`: a process that runs is about to mount it. `left`: nothing of ours is mounted there any more, after a crash, a reboot or another
 * program's umount; what was written is still there.
 */
export type MountState = 'mounting' | 'mounted' | 'left';

/** What a snapshot's labels say while it is being mounted at `target`. */
export function describeMounting(target: string): Labels {
  const below = findMount(byteString(target));
  return {
    [labels.target]: target,
    [labels.mounter]: JSON.stringify(identifyProcess(process.pid)),
    ...(below !== undefined && { [labels.below]: markOf(below) }),
  };
}

/** What they say once it is mounted there: by this it is told from whatever else may be mounted at the same place. */
export function describeMounted(target: string): Readonly<Record<string, string | undefined>> {
  const mount = findMount(byteString(target));
  return {
    [labels.mount]: mount === undefined ? undefined : markOf(mount),
    [labels.mounter]: undefined,
    [labels.below]: undefined,
  };
}

/** What is taken away when it is not mounted any more, and kept. */
export const forgotten: Readonly<Record<string, undefined>> = {
  [labels.target]: undefined,
  [labels.mount]: undefined,
  [labels.mounter]: undefined,
  [labels.below]: undefined,
};

/** Whether a snapshot of these labels is mounted. */
export function findMountState(all: Labels, target: string): MountState {
  const mount = all[labels.mount];
  const there = listMounts().filter(each => each.target === byteString(target));
  if (mount !== undefined) return there.some(each => markOf(each) === mount) ? 'mounted' : 'left';
  const mounter = all[labels.mounter];
  if (mounter === undefined) return there.length > 0 ? 'mounted' : 'left';
  const process_ = JSON.parse(mounter) as ProcessIdentity;
  if (isRunning(process_)) return 'mounting';
  // Killed before or after the call: then something is on top that was not there before.
  const top = there.at(-1);
  if (top === undefined || process_.boot !== findBoot()) return 'left';
  return markOf(top) === all[labels.below] ? 'left' : 'mounted';
}

/** Whether what shows at the target is this mount, and nothing over it. */
export function isOnTop(all: Labels, target: string): boolean {
  const mount = all[labels.mount];
  const top = findMount(byteString(target));
  return mount === undefined || (top !== undefined && markOf(top) === mount);
}

/** The kernel uses a number again when a mount is gone, so what is mounted counts, too. */
function markOf({ id, device, type, root, source, options }: MountPoint): string {
  const directories = type === 'overlay' ? options.replace(/^r[ow],/, '') : '';
  const what = [findBoot() ?? '', id, device, type, root, source, directories].join('\0');
  return createHash('sha256').update(what, 'latin1').digest('hex');
}
