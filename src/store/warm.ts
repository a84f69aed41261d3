import { randomBytes } from 'node:crypto';
import { closeSync, lstatSync, openSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../error/index.ts';
import {
  type FileLock,
  isLocked,
  syncDirectory,
  syncDirectoryNow,
  syncFile,
  tryLock,
} from '../host/index.ts';
import type { StoredArtifact } from './artifact.ts';
import type { Catalogue } from './catalogue.ts';
import { DraftDirectory } from './draft-directory.ts';
import { StoreError, wrapStore } from './error.ts';
import { ensureDirectory, type Layout, listNames } from './layout.ts';
import { createTrash, emptyTrash, type Trash } from './trash.ts';

/**
 * A directory that is being made of an artifact, to start something faster. Disposing it without a commit removes it.
 */
export interface WarmDraft extends Disposable {
  /** An empty directory, of the owner alone. */
  readonly path: string;
  /**
   * Syncs what is in it and puts it in its place, which is returned. Where another one has come meanwhile, that stays, and
   * this one goes. StoreError `not-found` if the artifact has gone.
   */
  commit(): Promise<string>;
}

/** Where the directory of that name beside an artifact is, if it is there. StoreError `internal` for what is no name. */
export function warmPlace(layout: Layout, key: string, name: string): string {
  if (!/^[0-9a-f]{64}$/.test(key) || !/^[a-z0-9][a-z0-9._-]{0,127}$/.test(name)) {
    throw new StoreError('internal', `${JSON.stringify(`${key}/${name}`)} cannot name a warm directory`);
  }
  return join(layout.warm, key, name);
}

/** Begins to make one. */
export function createWarm(
  catalogue: Catalogue,
  { key, manifest, format }: StoredArtifact,
  name: string,
): WarmDraft {
  const { layout, database, reach } = catalogue;
  const place = warmPlace(layout, key, name);
  ensureDirectory(layout.warm);
  const purpose = `warm state of ${manifest} as ${format}`;
  const draft = new DraftDirectory(catalogue, layout.warm, purpose, [manifest]);
  return {
    path: draft.path,
    async commit() {
      try {
        await syncTree(draft.path);
        database.write(() => {
          if (database.first('SELECT key FROM artifact WHERE key = ?', key) === undefined) {
            throw new StoreError('not-found', `the artifact ${key} is not there any more`, {
              detail: { key },
            });
          }
          ensureDirectory(join(layout.warm, key));
          try {
            renameSync(draft.path, place);
          } catch (error) {
            if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
          }
          syncDirectoryNow(join(layout.warm, key));
          reach('warm-renamed');
        });
        return place;
      } catch (error) {
        throw wrapStore(error, `cannot keep ${place}`, layout.root);
      } finally {
        draft[Symbol.dispose]();
      }
    },
    [Symbol.dispose]: () => draft[Symbol.dispose](),
  };
}

/** Takes one away, unless it is in use: false then. One that is not there is gone. */
export function dropWarm({ layout, database }: Catalogue, key: string, name: string): boolean {
  const path = warmPlace(layout, key, name);
  const trash = createTrash(layout, randomBytes(8).toString('hex'));
  const gone = database.write(() => takeWarm(layout, path, trash));
  emptyTrash(layout);
  return gone;
}

/** The same, into the trash of a gc. */
export function takeWarm(layout: Layout, path: string, trash: Trash): boolean {
  const locks: FileLock[] = [];
  try {
    for (const file of lockFiles(path)) {
      const lock = tryLock(file);
      if (lock === undefined) return false;
      locks.push(lock);
    }
    trash.take(path);
    removeEmpty(layout, path);
    return true;
  } finally {
    for (const lock of locks) lock[Symbol.dispose]();
  }
}

/** Whether somebody holds a lock in it. */
export function isWarmUsed(path: string): boolean {
  return lockFiles(path).some(isLocked);
}

/** The files whose locks say that a directory is in use: `lock`, and all that end in `.lock`. */
function lockFiles(path: string): string[] {
  return listNames(path)
    .filter(name => name === 'lock' || name.endsWith('.lock'))
    .map(name => join(path, name))
    .filter(file => lstatSync(file, { throwIfNoEntry: false })?.isFile());
}

function removeEmpty({ warm }: Layout, path: string): void {
  const parent = join(path, '..');
  if (parent === warm) return;
  try {
    rmdirSync(parent);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error;
  }
}

/** Makes all regular files below a directory durable, and the directories. */
async function syncTree(path: string): Promise<void> {
  for (const name of listNames(path)) {
    const file = join(path, name);
    const stats = lstatSync(file);
    if (stats.isDirectory()) await syncTree(file);
    if (!stats.isFile()) continue;
    const fd = openSync(file, 'r');
    try {
      await syncFile(fd);
    } finally {
      closeSync(fd);
    }
  }
  await syncDirectory(path);
}
