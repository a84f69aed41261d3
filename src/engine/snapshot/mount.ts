import { randomBytes } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { isErrno, ShaleError, wrapErrno } from '../../error/index.ts';
import { findDataRoot, findMount, unmount } from '../../host/index.ts';
import { type Labels, type Mount, mountAll, type Snapshots } from '../../snapshot/index.ts';
import { byteString } from '../../tree/index.ts';
import type { ImageOptions } from '../options.ts';
import { labels } from './label.ts';
import { findMounted } from './mounted.ts';
import { openSnapshots, type SnapshotterOptions } from './open.ts';
import { unpackImage } from './unpack.ts';
import { formatUpper, type UpperChoice } from './upper.ts';
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
  const { mode = 'rw', upper, root = findDataRoot() } = request;
  const place = requireTarget(target);
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
    [labels.target]: place,
    [labels.mode]: mode,
    ...(upper !== undefined && { [labels.upper]: formatUpper(upper) }),
  };
  const make = mode === 'rw' && upper === undefined ? 'prepare' : 'view';
  const mounts = await snapshots[make](snapshot, image.snapshot, { labels: own, signal: request.signal });
  try {
    await mountSnapshot({ snapshots, snapshot, mounts, place, root }, request);
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
  readonly root: string;
}

async function mountSnapshot(
  { snapshot, mounts, place, root }: Mounting,
  request: MountRequest,
): Promise<void> {
  const { mode = 'rw', upper, suid, devices } = request;
  const attributes = { readOnly: mode === 'ro', noSuid: suid !== true, noDevices: devices !== true };
  if (upper === undefined) {
    await mountAll(mounts, place, attributes);
    return;
  }
  const attached = await attachUpper(root, snapshot, upper, mounts);
  try {
    await mountAll([attached.mount], place, attributes);
  } catch (error) {
    attached.detach();
    throw error;
  }
}

/** Where to mount, without symlinks: what the kernel will call it. */
function requireTarget(target: string): string {
  try {
    const place = realpathSync(target);
    if (statSync(place).isDirectory()) return place;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot mount at ${target}`);
    throw new ShaleError('not-found', `there is no directory ${target} to mount at`, {
      detail: { target },
      hint: `mkdir -p ${target}`,
    });
  }
  throw new ShaleError('invalid', `${target} is no directory, so nothing can be mounted there`, {
    detail: { target },
  });
}

async function requireFree(root: string, place: string): Promise<void> {
  const there = (await findMounted(root)).find(each => each.target === place && each.state === 'mounted');
  if (there === undefined) return;
  throw new ShaleError('exists', `${there.image} is mounted at ${place} already`, {
    detail: { target: place, snapshot: there.snapshot },
    hint: `shale umount ${place}`,
  });
}

/** Whether something is mounted at exactly this path; unmounting it, once. */
export function unmountPlace(place: string, options: { readonly lazily?: boolean } = {}): boolean {
  if (findMount(byteString(place)) === undefined) return false;
  unmount(byteString(place), options);
  return true;
}
