import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isErrno, wrapErrno } from '../../../error/index.ts';
import { Places } from '../places.ts';

/**
 * What is in a snapshot's place:
 *
 *     layer.erofs    the layer, once it is committed (or applied)
 *     layer.index    what the layer says, while its parents may still have a word: see `resolve.ts`
 *     fs             where the layer is mounted
 *     upper, work    of an active one: OverlayFS's two directories; with `upper=SIZE` they are in `rw`, on the disk `rw.img`
 *     parents        of an active one and of a view: ids, a line each; they keep what they name mounted
 *     lingering      what was that, of one that was committed just before: most often another is made on top of it
 *     *.new          a file that is being made; *.old, a directory that is being removed
 */
export class LayerPlaces extends Places {
  layer(id: number): string {
    return this.at(id, 'layer.erofs');
  }

  index(id: number): string {
    return this.at(id, 'layer.index');
  }

  /** Where the layer itself is seen, with its whiteouts. */
  mountPoint(id: number): string {
    return this.at(id, 'fs');
  }

  /** Of an active snapshot: what holds its upper and its work directory. */
  upperHome(id: number): string {
    return existsSync(this.disk(id)) ? this.at(id, 'rw') : this.at(id);
  }

  upper(id: number): string {
    return `${this.upperHome(id)}/upper`;
  }

  disk(id: number): string {
    return this.at(id, 'rw.img');
  }

  hasLayer(id: number): boolean {
    return existsSync(this.layer(id));
  }

  /** Whether something was written to an active snapshot (the root's own metadata aside). Its disk must be mounted. */
  hasChanges(id: number): boolean {
    try {
      return readdirSync(this.upper(id)).length > 0;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw wrapErrno(error, `cannot read ${this.upper(id)}`);
    }
  }

  /** Says that a snapshot uses the mounts of these others. */
  writeParents(id: number, parents: readonly number[]): void {
    try {
      writeFileSync(this.at(id, 'parents'), parents.map(parent => `${parent}\n`).join(''), { mode: 0o600 });
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.at(id, 'parents')}`);
    }
  }

  /** Those whose mounts it uses; none of a committed one. */
  readParents(id: number): readonly number[] {
    return this.#read(this.at(id, 'parents'));
  }

  /** It is committed. What it used stays mounted until it is told to let go. */
  linger(id: number): void {
    try {
      renameSync(this.at(id, 'parents'), this.at(id, 'lingering'));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot rename ${this.at(id, 'parents')}`);
    }
  }

  /** Whose mounts a committed one has kept, and now does no more. */
  letGo(id: number): readonly number[] {
    const kept = this.#read(this.at(id, 'lingering'));
    if (kept.length > 0) rmSync(this.at(id, 'lingering'), { force: true });
    return kept;
  }

  /** Those of `ids` whose mounts nobody uses. Two small files are looked for in each place. */
  findUnused(ids: readonly number[]): readonly number[] {
    if (ids.length === 0) return [];
    const unused = new Set(ids);
    for (const id of this.list()) {
      for (const name of ['parents', 'lingering']) {
        for (const parent of this.#read(this.at(id, name))) unused.delete(parent);
      }
    }
    return [...unused];
  }

  #read(path: string): readonly number[] {
    try {
      return readFileSync(path, 'latin1').split('\n').filter(Boolean).map(Number);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw wrapErrno(error, `cannot read ${path}`);
    }
  }
}
