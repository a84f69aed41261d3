import { lstatSync, realpathSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isErrno } from '../../error/index.ts';
import {
  createTemporaryDirectory,
  HostError,
  missingParent,
  readNames,
  removeXattr,
  type TemporaryDirectory,
} from '../../host/index.ts';
import { byteString } from '../../tree/index.ts';

/** Where a directory is built, and how it gets from there to where it belongs. */
export interface Place {
  /** Absolute; if it is there already, without symlinks. */
  readonly target: string;
  /** An empty directory is there, to be replaced or filled. */
  readonly existed: boolean;
  /**
   * `beside`: a sibling of the target, renamed over it at the end, in one step. `inside`: the target can only be
   * filled, for it is a mount point, the working directory, or in a directory where we may not write.
   */
  readonly where: 'beside' | 'inside';
  readonly root: TemporaryDirectory;
  readonly staging: TemporaryDirectory;
}

/** Checks the target and creates the two private directories. `exists`, `not-found` and `denied` before any work. */
export function findPlace(path: string): Place {
  const absolute = resolve(path);
  try {
    const existed = checkTarget(absolute);
    const target = existed ? realpathSync(absolute) : absolute;
    const root = (existed && mustBeInside(target) ? undefined : findBeside(target, existed)) ?? fill(target);
    try {
      const where = dirname(root.path) === target ? 'inside' : 'beside';
      const staging = createTemporaryDirectory(
        `${where === 'inside' ? join(target, 'root') : target}.staged`,
      );
      for (const { path } of [root, staging]) dropAcl(path);
      return { target, existed, where, root, staging };
    } catch (error) {
      root[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw missingParent(error, absolute);
  }
}

/** Whether an empty directory is there; anything else that is there is an `exists` error. */
function checkTarget(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined && lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  if (!stats?.isDirectory()) throw taken(path, 'exists already and is not a directory');
  if (readNames(byteString(path)).length > 0) throw taken(path, 'is not empty');
  return true;
}

function mustBeInside(target: string): boolean {
  if (target === '/') return true;
  const there = statSync(target, { throwIfNoEntry: false });
  const here = statSync('.');
  return there !== undefined && there.dev === here.dev && there.ino === here.ino;
}

function findBeside(target: string, existed: boolean): TemporaryDirectory | undefined {
  let root: TemporaryDirectory;
  try {
    root = createTemporaryDirectory(target);
  } catch (error) {
    if (existed && isErrno(error, 'EACCES', 'EPERM', 'EROFS')) return undefined;
    throw error;
  }
  if (!existed) return root;
  // Only a rename tells whether a rename will do: a bind mount has its parent's device number.
  const probe = join(target, basename(root.path));
  try {
    renameSync(root.path, probe);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EROFS')) return root;
    root[Symbol.dispose]();
    return undefined;
  }
  renameSync(probe, root.path);
  return root;
}

function fill(target: string): TemporaryDirectory {
  return createTemporaryDirectory(join(target, 'root'));
}

/** An ACL that the parent hands down would reach every file of the image. */
function dropAcl(path: string): void {
  for (const kind of ['default', 'access']) removeXattr(byteString(path), `system.posix_acl_${kind}`);
}

export function taken(path: string, why: string, cause?: unknown): HostError {
  return new HostError('exists', `${path} ${why}`, {
    cause,
    detail: { path },
    hint: 'name a directory that is new or empty',
  });
}
