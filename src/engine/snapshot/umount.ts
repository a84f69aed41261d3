import { ShaleError } from '../../error/index.ts';
import { findDataRoot, findMount, listMountsIn, unmount } from '../../host/index.ts';
import type { Snapshots } from '../../snapshot/index.ts';
import { byteString, printable } from '../../tree/index.ts';
import type { CacheOptions } from '../options.ts';
import { hasChanges, openSnapshotChanges } from './changes.ts';
import { isThere, passIfGone } from './gone.ts';
import { cleanSnapshots } from './manage.ts';
import { forgotten, isOnTop } from './mount-state.ts';
import { findMounted, type MountedImage, openUsed } from './mounted.ts';
import { realPath } from './target.ts';
import { parseUpperLabel } from './upper.ts';
import { removeUpper, upperRoot } from './upper-mount.ts';

export interface UmountRequest extends CacheOptions {
  /** What becomes of what was written; if absent, it is kept where there is anything. */
  readonly changes?: 'keep' | 'discard' | undefined;
  /** Takes it away at once, also from who still uses it; it ends when they do. */
  readonly lazily?: boolean | undefined;
}

export interface UmountResult {
  readonly target: string;
  readonly snapshot: string;
  readonly driver: string;
  /** `kept`: the snapshot is there, with what was written; it can be committed or removed. */
  readonly changes: 'none' | 'kept' | 'discarded';
  /** The directory of the user's own that has what was written; then there is no snapshot any more. */
  readonly directory?: string | undefined;
}

/** Unmounts what `mountImage` has mounted, named by its directory or its snapshot. ShaleErrors `not-found`, `conflict` while it is in use. */
export async function umountImage(place: string, request: UmountRequest = {}): Promise<UmountResult> {
  const { root = findDataRoot() } = request;
  const mounted = await findOne(root, place);
  await using snapshots = await openUsed(root, mounted.driver);
  return await takeAway(snapshots, mounted, { ...request, root });
}

/** Clears up what crashes, reboots and other programs' umount have left. What was written is kept, unless told otherwise. */
export async function umountLeft(request: UmountRequest = {}): Promise<UmountResult[]> {
  const { root = findDataRoot() } = request;
  const results: UmountResult[] = [];
  for (const mounted of await findMounted(root)) {
    if (mounted.state !== 'left') continue;
    await using snapshots = await openUsed(root, mounted.driver);
    try {
      results.push(await takeAway(snapshots, mounted, { ...request, root }));
    } catch (error) {
      // Another process clears up, too.
      if (await isThere(snapshots, mounted.snapshot)) throw error;
    }
  }
  await cleanSnapshots({ root });
  return results;
}

async function takeAway(
  snapshots: Snapshots,
  mounted: MountedImage,
  request: UmountRequest & { readonly root: string },
): Promise<UmountResult> {
  const { target, snapshot, driver } = mounted;
  if (mounted.state === 'mounting') {
    throw new ShaleError('unavailable', `${target} is just being mounted`, { detail: { target, snapshot } });
  }
  const { root, lazily = false } = request;
  const wasWritten = await findWhetherWritten(snapshots, mounted, request);
  // A directory of the user's own stays as it is; memory and disks go with the mount.
  const isOurs = mounted.upper === undefined || mounted.upper.startsWith('directory:');
  if (wasWritten && !isOurs && request.changes !== 'discard') {
    throw new ShaleError(
      'conflict',
      `what was written to ${target} would be lost: it is in ${mounted.upper?.split(':')[0]}`,
      {
        detail: { target, snapshot, upper: mounted.upper },
        hint: `shale commit ${target} NAME makes an image of it; shale umount --discard ${target} lets it go`,
      },
    );
  }
  if (mounted.state === 'mounted') {
    await requireOnTop(snapshots, mounted);
    detach(target, lazily);
  }
  const keep = wasWritten && mounted.upper === undefined && request.changes !== 'discard';
  if (mounted.upper !== undefined) removeUpper(upperRoot(root, snapshot));
  // Another process may clear up what is not mounted any more (`umountLeft`).
  if (keep) await snapshots.update(snapshot, forgotten).catch(passIfGone);
  else await snapshots.remove(snapshot).catch(passIfGone);
  const upper = mounted.upper === undefined ? undefined : parseUpperLabel(mounted.upper);
  const directory = wasWritten && upper?.kind === 'directory' ? upper.path : undefined;
  const isKept = keep || directory !== undefined;
  const changes = isKept ? 'kept' : wasWritten ? 'discarded' : 'none';
  return { target, snapshot, driver, changes, ...(directory !== undefined && { directory }) };
}

async function findWhetherWritten(
  snapshots: Snapshots,
  { snapshot, mode }: MountedImage,
  { root, changes }: UmountRequest & { readonly root: string },
): Promise<boolean> {
  if (mode === 'ro') return false;
  if (changes === 'keep') return true;
  try {
    await using open = await openSnapshotChanges(snapshots, snapshot, { root });
    return await hasChanges(open);
  } catch (error) {
    // A tmpfs that a reboot has taken: there is nothing to lose any more.
    if (error instanceof ShaleError && error.code === 'not-found') return false;
    throw error;
  }
}

async function requireOnTop(snapshots: Snapshots, { target, snapshot }: MountedImage): Promise<void> {
  if (isOnTop((await snapshots.stat(snapshot)).labels, target)) return;
  throw new ShaleError('conflict', `something else is mounted over ${target}`, {
    detail: { target, snapshot },
    hint: `unmount that first: umount ${target}`,
  });
}

function detach(target: string, lazily: boolean): void {
  try {
    unmount(byteString(target), { lazily });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    const [below] = listMountsIn(byteString(target)).filter(mount => mount.target !== byteString(target));
    if (below !== undefined) {
      const inside = printable(below.target);
      throw new ShaleError('conflict', `something is mounted in ${target}, at ${inside}`, {
        cause: error,
        detail: { target, inside },
        hint: `umount ${inside}; --lazy takes it all away at once`,
      });
    }
    throw new ShaleError('conflict', `${target} is in use`, {
      cause: error,
      detail: { target },
      hint: `fuser -vm ${target} says by whom; --lazy takes it away at once`,
    });
  }
}

async function findOne(root: string, place: string): Promise<MountedImage> {
  const all = await findMounted(root);
  const path = realPath(place);
  // The newest first: one that a crash has left may name the same directory.
  const found =
    all.findLast(({ target, state }) => target === path && state !== 'left') ??
    all.findLast(({ target, snapshot }) => target === path || snapshot === place);
  if (found !== undefined) return found;
  throw new ShaleError('not-found', `Shale has nothing mounted at ${place}`, {
    detail: { target: place },
    hint:
      findMount(byteString(path)) === undefined
        ? 'shale mount lists what is mounted'
        : `another program has: umount ${place}`,
  });
}
