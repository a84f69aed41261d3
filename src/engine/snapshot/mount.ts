import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import { checkDiskSize, findDataRoot } from '../../host/index.ts';
import { type Labels, type Mount, mountAll, type Snapshots } from '../../snapshot/index.ts';
import type { ImageOptions } from '../options.ts';
import { labels } from './label.ts';
import { describeMounted, describeMounting } from './mount-state.ts';
import { openSnapshots, type SnapshotterOptions } from './open.ts';
import { requireFree, requireTarget } from './target.ts';
import { unpackImage } from './unpack.ts';
import { formatUpper, type UpperChoice } from './upper.ts';
import { requireUnused, resolveUpper } from './upper-directory.ts';
import { attachUpper } from './upper-mount.ts';

export interface MountRequest extends ImageOptions, SnapshotterOptions {
  /** Whether it can be written to; `rw` if absent. */
  readonly mode?: 'rw' | 'ro' | undefined;
  /** Where what is written goes; into the snapshot's own place if absent. */
  readonly upper?: UpperChoice | undefined;
  /** setuid programs and file capabilities work; not if absent. */
  readonly suid?: boolean | undefined;
  /** Device nodes can be opened; not if absent. */
  readonly devices?: boolean | undefined;
}

export interface MountResult {
  readonly target: string;
  readonly image: string;
  /** Of the manifest. */
  readonly digest: string;
  readonly driver: string;
  /** What `shale diff`, `commit` and `snapshot` call it. */
  readonly snapshot: string;
  readonly mode: 'rw' | 'ro';
  /** Layers of the image, and how many of them were unpacked now. */
  readonly layers: number;
  readonly unpacked: number;
}

/**
 * Mounts an image at a directory: unpacks what is not there yet, prepares a snapshot (or, `ro`, a view) and mounts it, nosuid and nodev unless asked
 * otherwise. After a failure nothing is mounted, and no snapshot is left but those of layers.
 */
export async function mountImage(
  source: string,
  target: string,
  request: MountRequest = {},
): Promise<MountResult> {
  const { mode = 'rw', root = findDataRoot() } = request;
  const place = requireTarget(target, root);
  const identity = identify(place);
  const upper = request.upper === undefined ? undefined : resolveUpper(request.upper, { root, place });
  if (upper?.kind === 'disk') checkDiskSize(upper.size);
  if (mode === 'ro' && upper !== undefined) {
    throw new ShaleError('invalid', 'what is mounted read-only has no upper directory', {
      hint: 'leave out --ro or --upper',
    });
  }
  await requireFree(root, place);
  await using snapshots = await openSnapshots({ ...request, root });
  const image = await unpackImage(snapshots, source, { ...request, root });
  const snapshot = `mount-${randomBytes(4).toString('hex')}`;
  const own: Labels = {
    [labels.image]: image.reference,
    [labels.manifest]: image.digest,
    ...describeMounting(place),
    [labels.mode]: mode,
    ...(upper !== undefined && { [labels.upper]: formatUpper(upper) }),
  };
  const make = mode === 'rw' && upper === undefined ? 'prepare' : 'view';
  const mounts = await snapshots[make](snapshot, image.snapshot, { labels: own, signal: request.signal });
  try {
    // Now that it can be seen what we are about: of two at once one sees the other.
    await requireFree(root, place, snapshot);
    if (upper?.kind === 'directory') await requireUnused(root, upper.path, snapshot);
    await mountSnapshot({ snapshots, snapshot, mounts, place, identity, root }, { ...request, upper });
    // Without this it is found all the same, once we have ended.
    await snapshots.update(snapshot, describeMounted(place)).catch(() => {});
  } catch (error) {
    await snapshots.remove(snapshot);
    throw error;
  }
  const { reference, digest, layers, unpacked } = image;
  return {
    target: place,
    image: reference,
    digest,
    driver: snapshots.driver.name,
    snapshot,
    mode,
    layers,
    unpacked,
  };
}

interface Mounting {
  readonly snapshots: Snapshots;
  readonly snapshot: string;
  readonly mounts: readonly Mount[];
  readonly place: string;
  /** What `identify` said of it. */
  readonly identity: string;
  readonly root: string;
}

async function mountSnapshot(
  { snapshot, mounts, place, identity, root }: Mounting,
  request: MountRequest,
): Promise<void> {
  const { mode = 'rw', upper, suid, devices } = request;
  const attributes = { readOnly: mode === 'ro', noSuid: suid !== true, noDevices: devices !== true };
  const requireSame = () => {
    if (identify(place) !== identity) throw wasMoved(place);
  };
  if (upper === undefined) {
    requireSame();
    await mountAll(mounts, place, attributes);
    return;
  }
  const attached = await attachUpper(root, snapshot, upper, mounts);
  try {
    requireSame();
    await mountAll([attached.mount], place, attributes);
  } catch (error) {
    attached.detach();
    throw error;
  }
}

/** Unpacking takes its time: whoever may write above the directory could put a symlink there meanwhile. */
function identify(place: string): string {
  const stat = lstatSync(place, { bigint: true, throwIfNoEntry: false });
  return `${stat?.dev}:${stat?.ino}`;
}

function wasMoved(place: string): ShaleError {
  return new ShaleError('conflict', `${place} is another directory by now than when this began`, {
    detail: { target: place },
    hint: 'mount it where nobody else may write',
  });
}
