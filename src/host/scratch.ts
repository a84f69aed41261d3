import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isErrno } from '../error/index.ts';
import { temporaryRoot } from './environment.ts';
import { hasLibc } from './libc.ts';
import { type ExistingLock, tryLockExisting } from './lock.ts';
import { removeTree } from './remove.ts';
import { withTemporaryName } from './temporary.ts';
import { registerUnfinished } from './unfinished.ts';

/** A directory for work that leaves nothing. Disposing it removes it, with all that is in it, unless it is kept. */
export interface Scratch extends Disposable {
  readonly path: string;
  /** From here on it is not removed. Only of one that was opened so. */
  keep(): void;
}

/**
 * Creates a directory, mode 0700, where temporary files go: `.NAME.shale-XXXXXX`, or without the dot if it may be kept. It is locked for as
 * long as we live: those of `name` that belong to us and that nobody holds any more, since their process was killed, are removed first. Throws as `fs` does.
 */
export function openScratch(name: string, { mayKeep = false }: { readonly mayKeep?: boolean } = {}): Scratch {
  const place = resolve(temporaryRoot(), name);
  removeOrphans(place);
  for (;;) {
    const path = withTemporaryName(place, '', temporary => {
      const chosen = mayKeep ? join(dirname(temporary), basename(temporary).slice(1)) : temporary;
      mkdirSync(chosen, { mode: 0o700 });
      return chosen;
    });
    const lock = lockDirectory(path);
    if (lock === undefined) continue; // another run took it for an orphan
    const release = registerUnfinished(() => removeTree(path));
    let kept = false;
    return {
      path,
      keep() {
        kept = mayKeep;
        if (kept) release();
      },
      [Symbol.dispose]() {
        if (!kept) removeTree(path);
        release();
        lock[Symbol.dispose]();
      },
    };
  }
}

function removeOrphans(place: string): void {
  // Without locks nothing tells an orphan from a directory in use.
  if (!hasLibc()) return;
  const pattern = `.${basename(place)}.shale-`;
  for (const name of readdirSync(dirname(place))) {
    const path = join(dirname(place), name);
    if (!name.startsWith(pattern) || !isOurs(path)) continue;
    using lock = lockDirectory(path);
    if (lock !== undefined) removeTree(path);
  }
}

/** A directory that we have made: in a place where anybody may make one, only we can have made ours. */
function isOurs(path: string): boolean {
  const status = lstatSync(path, { throwIfNoEntry: false });
  return status?.isDirectory() === true && status.uid === process.geteuid?.();
}

/** `undefined` while somebody else holds it, or if it is gone. */
function lockDirectory(path: string): ExistingLock | undefined {
  let lock: ExistingLock | undefined;
  try {
    lock = tryLockExisting(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  if (lock === undefined || lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return lock;
  lock[Symbol.dispose]();
  return undefined;
}
