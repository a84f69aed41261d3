import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../error/index.ts';
import { type Layout, listNames } from './layout.ts';
import { removeSealed } from './remove-sealed.ts';
import { withoutSeal } from './seal.ts';

/** Takes files out of sight at once, so that the transaction is short; they are deleted after it. */
export interface Trash {
  take(path: string): void;
  /** Artifacts and trees whose rows go now; their files follow in a transaction of their own, so that no row outlives its file. */
  readonly orphans: string[];
}

/** The real thing: into the trash, or, where a full disk has no room even for a name, gone at once. */
export function createTrash(layout: Layout, prefix: string): Trash {
  let number = 0;
  return {
    orphans: [],
    take(path) {
      number += 1;
      try {
        withoutSeal(path, () => renameSync(path, join(layout.trash, `${prefix}-${number}`)));
      } catch (error) {
        if (isErrno(error, 'ENOSPC', 'EDQUOT')) removeSealed(path);
        else if (!isErrno(error, 'ENOENT')) throw error;
      }
    },
  };
}

/** Deletes what is in the trash, whoever put it there; two at once are in nobody's way. */
export function emptyTrash(layout: Layout): void {
  for (const name of listNames(layout.trash)) {
    try {
      removeSealed(join(layout.trash, name));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}
