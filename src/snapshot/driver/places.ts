import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../error/index.ts';
import { removeTree } from '../../host/index.ts';
import type { Mount } from '../mount.ts';
import { unescapePath } from '../overlay-options.ts';

/**
 * A driver's places: a directory for each snapshot, called by its id. Names are short, for hundreds of such paths go into one mount. They are private
 * to their owner, since what is in them has the modes and the setuid bits of the image.
 */
export class Places {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  at(id: number, ...names: string[]): string {
    return join(this.root, String(id), ...names);
  }

  /** Makes the directory of a snapshot; what a lost database has left there goes. */
  make(id: number): void {
    try {
      mkdirSync(this.at(id), { mode: 0o700 });
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      this.remove(id);
      mkdirSync(this.at(id), { mode: 0o700 });
    }
  }

  remove(id: number): void {
    removeTree(this.at(id));
  }

  list(): number[] {
    return readdirSync(this.root)
      .filter(name => /^[1-9][0-9]*$/.test(name))
      .map(Number);
  }

  /** Whose place a path is in. */
  idOf(path: string): number | undefined {
    if (!path.startsWith(`${this.root}/`)) return undefined;
    const id = /^([1-9][0-9]*)(\/|$)/.exec(path.slice(this.root.length + 1))?.[1];
    return id === undefined ? undefined : Number(id);
  }

  /** Whose place it is that is written to, or shown. */
  identify(mounts: readonly Mount[]): number | undefined {
    for (const { options, source } of mounts) {
      const upper = options.find(option => option.startsWith('upperdir='));
      const id = this.idOf(upper === undefined ? source : unescapePath(upper.slice('upperdir='.length)));
      if (id !== undefined) return id;
    }
    return undefined;
  }
}
