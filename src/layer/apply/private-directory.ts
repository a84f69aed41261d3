import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import {
  Descent,
  type FileOwner,
  pathBytes,
  registerUnfinished,
  removeEntry,
  removeXattr,
  type Staging,
} from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';

/** A directory of ours in the target's root, and so of its filesystem, for what has no place yet. Disposing removes it. */
export interface PrivateDirectory extends Disposable {
  readonly name: ByteString;
  /** It is there, and does not move. */
  readonly descent: Descent;
  remove(): void;
}

/** Mode 0700, with a name that no layer can know. Throws as `fs` does. */
export function createPrivateDirectory(root: Descent): PrivateDirectory {
  const name = `.shale-${randomBytes(12).toString('hex')}`;
  const descent = Descent.open(root.at('.'));
  const path = descent.at(name);
  mkdirSync(pathBytes(path), { mode: 0o700 });
  chmodSync(pathBytes(path), 0o700);
  // What the root hands down would be in all that is made here.
  removeXattr(path, 'system.posix_acl_default');
  removeXattr(path, 'system.posix_acl_access');
  descent.enter(name);
  let isThere = true;
  const remove = () => {
    if (!isThere) return;
    isThere = false;
    descent.leave();
    removeEntry(descent, name);
    release();
  };
  const release = registerUnfinished(remove);
  return {
    name,
    descent,
    remove,
    [Symbol.dispose]() {
      try {
        remove();
      } finally {
        release();
        descent[Symbol.dispose]();
      }
    },
  };
}

/** Who owns a file that this process makes there: the group may be the directory's. */
export function findCreatedOwner(staging: Staging): FileOwner {
  const sample = staging.at('sample');
  closeSync(staging.create(sample));
  const { uid, gid } = lstatSync(pathBytes(sample));
  unlinkSync(pathBytes(sample));
  return { uid, gid };
}
