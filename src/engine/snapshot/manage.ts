import { ShaleError } from '../../error/index.ts';
import { findDataRoot } from '../../host/index.ts';
import {
  driverRoot,
  type Labels,
  type Mount,
  type SnapshotInfo,
  Snapshots,
  type Usage,
} from '../../snapshot/index.ts';
import type { ImageOptions } from '../options.ts';
import { labels as own } from './label.ts';
import { findMounted, type MountedImage, openIfUsable } from './mounted.ts';
import { openSnapshots, type SnapshotterOptions, usedDrivers } from './open.ts';
import { findSubject, hasSnapshot, requireSubject } from './subject.ts';
import { clearUnfinished, unpackImage } from './unpack.ts';
import { removeUpper, upperRoot } from './upper-mount.ts';

export interface SnapshotRequest extends ImageOptions, SnapshotterOptions {
  readonly labels?: Labels | undefined;
}

export interface SnapshotSummary extends SnapshotInfo {
  readonly driver: string;
}

/** The mounts of a new snapshot or view. */
export interface PreparedSnapshot {
  readonly key: string;
  readonly driver: string;
  readonly parent: string | undefined;
  readonly mounts: readonly Mount[];
}

/**
 * Makes an active snapshot (or a view) called `key`, based on a committed snapshot or on an image, which is unpacked first; on nothing where no
 * parent is given. ShaleErrors as `Snapshotter`.
 */
export async function prepareSnapshot(
  how: 'prepare' | 'view',
  [key, parent]: readonly [string, string?],
  request: SnapshotRequest = {},
): Promise<PreparedSnapshot> {
  const { root = findDataRoot(), labels = {}, signal } = request;
  requireFreeName(root, key);
  // Where its parent is, it must be itself.
  await using known = parent === undefined ? undefined : await findSubject(root, parent, request);
  await using opened = known === undefined ? await openSnapshots({ ...request, root }) : undefined;
  const snapshots = known?.snapshots ?? opened!;
  let below = known?.key;
  let image: Labels = {};
  if (parent !== undefined && known === undefined) {
    const unpacked = await unpackImage(snapshots, parent, { ...request, root });
    below = unpacked.snapshot;
    image = { [own.image]: unpacked.reference, [own.manifest]: unpacked.digest };
  } else if (below !== undefined) image = imageLabels(await snapshots.stat(below));
  const mounts = await snapshots[how](key, below, { labels: { ...image, ...labels }, signal });
  return { key, driver: snapshots.driver.name, parent: below, mounts };
}

/** Commits the active snapshot `key` as `name`, which may be a parent from then on. */
export async function commitActive(
  name: string,
  key: string,
  request: SnapshotRequest = {},
): Promise<SnapshotSummary> {
  const { root = findDataRoot(), labels = {}, signal } = request;
  await using subject = await requireSubject(root, key);
  const { snapshots } = subject;
  await requireUnmounted(root, subject.key, snapshots.driver.name);
  requireFreeName(root, name);
  const kept = imageLabels(await snapshots.stat(subject.key));
  await snapshots.commit(name, subject.key, { labels: { ...kept, ...labels }, signal });
  return { ...(await snapshots.stat(name)), driver: snapshots.driver.name };
}

export async function snapshotMounts(
  key: string,
  { root = findDataRoot() }: SnapshotRequest = {},
): Promise<PreparedSnapshot> {
  await using subject = await requireSubject(root, key);
  const { snapshots } = subject;
  const [{ parent }, mounts] = [await snapshots.stat(subject.key), await snapshots.mounts(subject.key)];
  return { key: subject.key, driver: snapshots.driver.name, parent, mounts };
}

/** Removes snapshots, in the order in which they are given. */
export async function removeSnapshots(
  keys: readonly string[],
  { root = findDataRoot() }: SnapshotRequest = {},
): Promise<string[]> {
  const removed: string[] = [];
  for (const key of keys) {
    await using subject = await requireSubject(root, key);
    const left = await requireUnmounted(root, subject.key, subject.snapshots.driver.name);
    if (left?.upper !== undefined) removeUpper(upperRoot(root, subject.key));
    await subject.snapshots.remove(subject.key);
    removed.push(subject.key);
  }
  return removed;
}

/** Those of all drivers, or of one; parents before their children. */
export async function listSnapshots({
  root = findDataRoot(),
  driver,
}: SnapshotRequest = {}): Promise<SnapshotSummary[]> {
  const found: SnapshotSummary[] = [];
  for (const each of driver === undefined
    ? usedDrivers(root)
    : usedDrivers(root).filter(used => used === driver)) {
    for (const info of Snapshots.list(driverRoot(root, each))) found.push({ ...info, driver: each });
  }
  return found;
}

export async function snapshotUsage(
  key: string,
  { root = findDataRoot() }: SnapshotRequest = {},
): Promise<Usage> {
  await using subject = await requireSubject(root, key);
  return await subject.snapshots.usage(subject.key);
}

/** Clears what crashes have left, of every driver that was used, and can be still. */
export async function cleanSnapshots({ root = findDataRoot() }: SnapshotRequest = {}): Promise<void> {
  for (const driver of usedDrivers(root)) {
    await using snapshots = await openIfUsable(root, driver);
    if (snapshots === undefined) continue;
    await clearUnfinished(snapshots);
    await snapshots.cleanup();
  }
}

/** Commands name snapshots without saying which driver has them. ShaleError `exists`. */
function requireFreeName(root: string, key: string): void {
  const driver = usedDrivers(root).find(each => hasSnapshot(root, each, key));
  if (driver === undefined) return;
  throw new ShaleError('exists', `there is a snapshot ${key} already, of the driver ${driver}`, {
    detail: { key, driver },
  });
}

/** What is mounted is written to: it can neither go nor be kept as it is. ShaleError `conflict`. What is left of a mount is returned. */
async function requireUnmounted(
  root: string,
  key: string,
  driver: string,
): Promise<MountedImage | undefined> {
  const mounted = (await findMounted(root)).find(each => each.snapshot === key && each.driver === driver);
  if (mounted === undefined || mounted.state === 'left') return mounted;
  throw new ShaleError('conflict', `${key} is mounted at ${mounted.target}`, {
    detail: { key, target: mounted.target },
    hint: `shale umount --keep ${mounted.target}`,
  });
}

/** Which image it is of goes on to what is made of it. */
function imageLabels({ labels }: SnapshotInfo): Labels {
  return Object.fromEntries(
    [own.image, own.manifest].flatMap(name => (labels[name] === undefined ? [] : [[name, labels[name]]])),
  );
}
