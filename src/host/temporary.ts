import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '../error/index.ts';
import { removeTree } from './remove.ts';
import { registerUnfinished } from './unfinished.ts';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
const nameMost = 255;
const attempts = 100;

/** A sibling's name for what will be `path`: hidden, of one filesystem with it, and says whose litter it would be. */
export function temporaryName(path: string, suffix: string): string {
  const random = [...randomBytes(6)].map(byte => letters[byte % letters.length]).join('');
  let name = basename(path);
  while (Buffer.byteLength(name) + suffix.length + 16 > nameMost) name = name.slice(0, -1);
  return join(dirname(path), `.${name}.shale-${random}${suffix}`);
}

/** Tries fresh names until `make` does not fail with EEXIST. */
export function withTemporaryName<T>(path: string, suffix: string, make: (temporary: string) => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return make(temporaryName(path, suffix));
    } catch (error) {
      if (attempt === attempts || !isErrno(error, 'EEXIST')) throw error;
    }
  }
}

/** A directory of our own, mode 0700, that is gone when it is disposed, unless it was kept. */
export interface TemporaryDirectory extends Disposable {
  readonly path: string;
  /** It has become something else (it was renamed): from here on it is not removed. */
  keep(): void;
}

/** Creates one beside what `path` names, `.NAME.shale-XXXXXX`. Throws as `fs` does. */
export function createTemporaryDirectory(path: string): TemporaryDirectory {
  const made = withTemporaryName(path, '', temporary => {
    mkdirSync(temporary, { mode: 0o700 });
    return temporary;
  });
  const remove = () => removeTree(made);
  const release = registerUnfinished(remove);
  let kept = false;
  try {
    chmodSync(made, 0o700); // the umask may have taken even our own permissions
  } catch (error) {
    release();
    remove();
    throw error;
  }
  return {
    path: made,
    keep() {
      kept = true;
      release();
    },
    [Symbol.dispose]() {
      if (kept) return;
      kept = true;
      try {
        remove();
      } finally {
        release();
      }
    },
  };
}
