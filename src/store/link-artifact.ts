import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { readLocation } from '../content/index.ts';
import { isErrno } from '../error/index.ts';
import { createAtomicFile, missingParent, syncParent, withTemporaryName } from '../host/index.ts';
import { isWhole, type StoredArtifact } from './artifact.ts';
import { StoreError } from './error.ts';
import { makeReadOnly } from './measure-artifact.ts';
import { artifactMode } from './settle-file.ts';

/** How a file got to its place: as the same file, as another one that shares the blocks on the disk, or byte by byte. */
export type LinkKind = 'link' | 'reflink' | 'copy';

export interface LinkOptions {
  /** A file or symlink that is there gives way; what is no file never does. */
  readonly replace?: boolean | undefined;
  /** A file of its own, never a hard link: to whoever will change it, or seal it. */
  readonly own?: boolean | undefined;
  /** The caller makes the name durable (`syncDirectory`): of many in one directory, all at once. */
  readonly unsynced?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts an artifact in a place outside of the cache, read-only (0444), whole and durable or not at all. It costs nothing
 * on the filesystem of the cache; elsewhere it is copied, and its digest compared on the way: StoreError `corrupt` if it is
 * not what was stored. `not-found` if the artifact has gone, `exists`, and what the operating system says.
 */
export async function linkArtifact(
  artifact: StoredArtifact,
  path: string,
  { replace = false, own = false, unsynced = false, signal }: LinkOptions = {},
): Promise<LinkKind> {
  const target = resolve(path);
  if (!isWhole(artifact)) {
    throw new StoreError('not-found', `the artifact ${artifact.path} is not there any more`, {
      detail: { path: artifact.path, key: artifact.key },
      hint: 'try again: what is missing is made again',
    });
  }
  checkTarget(target, replace);
  let how: LinkKind | undefined;
  try {
    how = share(artifact.path, target, { replace, own });
    if (how !== undefined && !unsynced) await syncParent(target);
  } catch (error) {
    throw isErrno(error, 'EEXIST') ? taken(target, error) : missingParent(error, target);
  }
  if (how !== undefined) return how;
  await copy(artifact, target, { replace, signal });
  return 'copy';
}

/** As a link, else as a clone; `undefined` where the filesystem has neither. Without a pause, so no signal leaves a half. */
function share(
  source: string,
  target: string,
  { replace, own }: { readonly replace: boolean; readonly own: boolean },
): LinkKind | undefined {
  const [temporary, how] = withTemporaryName(
    target,
    '.tmp',
    name => [name, stage(source, name, own)] as const,
  );
  if (how === undefined) return undefined;
  try {
    if (replace) renameSync(temporary, target);
    else linkSync(temporary, target);
  } finally {
    // Also after renaming, which does nothing where both are names of one file.
    rmSync(temporary, { force: true });
  }
  return how;
}

function stage(source: string, temporary: string, own: boolean): LinkKind | undefined {
  try {
    makeReadOnly(source);
    if (!own) {
      linkSync(source, temporary);
      return 'link';
    }
  } catch (error) {
    // Another filesystem, one without links, too many links, or a file that is sealed.
    if (!isErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
  }
  try {
    copyFileSync(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    if (isErrno(error, 'EEXIST', 'ENOENT', 'ENOTDIR', 'EACCES', 'ENOSPC', 'EDQUOT', 'EROFS')) throw error;
    return undefined;
  }
  chmodSync(temporary, artifactMode);
  const fd = openSync(temporary, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return 'reflink';
}

async function copy(
  { path, digest, size }: StoredArtifact,
  target: string,
  { replace, signal }: { readonly replace: boolean; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const exists = replace ? 'replace' : 'error';
  await using file = await createAtomicFile(target, { exists, mode: artifactMode });
  const hash = createHash('sha256');
  for await (const chunk of readLocation({ path, offset: 0, size }, { signal })) {
    hash.update(chunk);
    file.append(chunk);
    file.startWriteback();
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== digest) {
    throw new StoreError('corrupt', `${path} is damaged: its digest is ${actual}, not ${digest}`, {
      detail: { path, digest, actual },
      hint: 'shale fsck --repair drops it, and it is made again',
    });
  }
  await file.commit();
}

function checkTarget(target: string, replace: boolean): void {
  const stats = lstatSync(target, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!replace) throw taken(target);
  // A symlink is replaced itself: following one that another user put there would overwrite his choice of file.
  if (stats.isFile() || stats.isSymbolicLink()) return;
  throw new StoreError('invalid', `${target} is not a regular file, and is not replaced by one`, {
    detail: { path: target },
    hint: 'name a file',
  });
}

function taken(path: string, cause?: unknown): StoreError {
  return new StoreError('exists', `${path} exists already`, {
    cause,
    detail: { path },
    hint: 'remove it first, or choose another name',
  });
}
