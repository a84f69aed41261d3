import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createExt4 } from '../../host/ext4.ts';
import { findMount, inUserNamespace, unmount } from '../../host/index.ts';
import { type Mount, mountAll } from '../../snapshot/index.ts';
import { byteString } from '../../tree/index.ts';
import {
  addUpper,
  findLower,
  openUpperPlace,
  type UpperChoice,
  type UpperPlace,
  upperPlace,
} from './upper.ts';

/** A writable directory over a view. */
export interface AttachedUpper {
  readonly mount: Mount;
  /** Takes it away again: a tmpfs and a disk with all that is on them. */
  detach(): void;
}

/** Where Shale keeps what it mounts for a snapshot besides the snapshot itself. */
export function upperRoot(root: string, snapshot: string): string {
  return join(root, 'snapshots', 'uppers', snapshot.replace(/[^\w-]/g, '_'));
}

/** Makes the upper directory that was chosen ready. ShaleErrors; after one nothing is left. */
export async function attachUpper(
  root: string,
  snapshot: string,
  upper: UpperChoice,
  view: readonly Mount[],
): Promise<AttachedUpper> {
  const options = [
    'index=off',
    ...(inUserNamespace() ? ['userxattr'] : ['redirect_dir=nofollow', 'metacopy=off']),
  ];
  const lower = findLower(view);
  if (upper.kind === 'directory') {
    return { mount: addUpper(view, openUpperPlace(upper.path, lower), options), detach() {} };
  }
  const place = upperRoot(root, snapshot);
  try {
    const directory = await mountUpper(place, upper);
    return {
      mount: addUpper(view, openUpperPlace(directory, lower), options),
      detach: () => removeUpper(place),
    };
  } catch (error) {
    removeUpper(place);
    throw error;
  }
}

/** The directories of what `attachUpper` has made, or of the user's own; `undefined` where they are gone, as those of a tmpfs that is not mounted any more. */
export function findUpper(root: string, snapshot: string, upper: UpperChoice): UpperPlace | undefined {
  const directory = upper.kind === 'directory' ? upper.path : join(upperRoot(root, snapshot), 'fs');
  if (upper.kind !== 'directory' && findMount(byteString(directory)) === undefined) return undefined;
  const place = upperPlace(directory);
  return existsSync(place.upper) ? place : undefined;
}

async function mountUpper(
  place: string,
  upper: Exclude<UpperChoice, { kind: 'directory' }>,
): Promise<string> {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const directory = join(place, 'fs');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const attributes = { noSuid: false };
  if (upper.kind === 'tmpfs') {
    await mountAll([{ type: 'tmpfs', source: 'shale', options: ['mode=755'] }], directory, attributes);
  } else {
    const image = join(place, 'disk');
    await createExt4(image, { size: upper.size, journal: true });
    await mountAll([{ type: 'ext4', source: image, options: ['loop'] }], directory, attributes);
  }
  return directory;
}

/** Unmounts and removes; nothing there is success. */
export function removeUpper(place: string): void {
  const directory = join(place, 'fs');
  if (findMount(byteString(directory)) !== undefined) unmount(byteString(directory), { lazily: true });
  rmSync(join(place, 'disk'), { force: true });
  for (const path of [directory, place]) if (existsSync(path)) rmdirSync(path);
}
