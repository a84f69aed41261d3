import { realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isErrno, ShaleError, wrapErrno } from '../../error/index.ts';
import { findMount } from '../../host/index.ts';
import { byteString } from '../../tree/index.ts';
import { findMounted } from './mounted.ts';

/**
 * Where to mount, without symlinks: what the kernel will call it. ShaleErrors, also for places where a mount would hide what is needed to take it
 * away again: `/`, what is above the data root or in its snapshots, and `/proc` and its like.
 */
export function requireTarget(target: string, root: string): string {
  if (target === '') {
    throw new ShaleError('invalid', 'a directory to mount at has a name', { detail: { target } });
  }
  const place = requireDirectory(target);
  const snapshots = `${realPath(root)}/snapshots`;
  const why =
    place === '/'
      ? 'all programs that run have it open, and go on to see what is below'
      : isWithin(snapshots, place)
        ? `it would hide ${root}, where Shale keeps what it mounts`
        : isWithin(place, snapshots)
          ? 'there Shale keeps its snapshots'
          : hidesKernel(place)
            ? 'the machine needs what is there'
            : undefined;
  if (why === undefined) return place;
  throw new ShaleError('invalid', `nothing can be mounted at ${target}: ${why}`, {
    detail: { target },
    hint: 'mount it at a directory of its own',
  });
}

/** ShaleError `exists` if something of Shale's is there, or is about to be; `own` is the snapshot that is to be there. */
export async function requireFree(root: string, place: string, own?: string): Promise<void> {
  const there = (await findMounted(root)).find(
    ({ target, state, snapshot }) => target === place && state !== 'left' && snapshot !== own,
  );
  if (there === undefined) return;
  const how = there.state === 'mounted' ? 'is mounted' : 'is just being mounted';
  throw new ShaleError('exists', `${there.image} ${how} at ${place} already`, {
    detail: { target: place, snapshot: there.snapshot },
    hint: `shale umount ${place}`,
  });
}

/** Whether a path is a directory, or below it; neither has symlinks. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

/** A path without symlinks as far as it is there. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Filesystems that are the kernel's face. */
const kernelTypes = ['proc', 'sysfs', 'devtmpfs', 'devpts', 'cgroup', 'cgroup2', 'mqueue', 'securityfs'];

function hidesKernel(place: string): boolean {
  const type = findMount(byteString(place))?.type;
  return place === '/dev' || (type !== undefined && kernelTypes.includes(type));
}

function requireDirectory(target: string): string {
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
