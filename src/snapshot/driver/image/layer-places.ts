import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isErrno, wrapErrno } from '../../../error/index.ts';
import type { DriverSnapshot } from '../driver.ts';
import { Places } from '../places.ts';

/**
 * What is in a snapshot's place:
 *
 *     layer.erofs    the layer, once it is committed (or applied)
 *     layer.index    what the layer says, while its parents may still have a word: see `resolve.ts`
 *     fs             where the layer is mounted
 *     upper, work    of an active one: OverlayFS's two directories; with `upper=SIZE` they are in `rw`, on the disk `rw.img`
 *     uses           of an active one and of a view: what is mounted in other places and must stay so, a path below the root each line
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

  /** A directory that shows what has no layers. */
  get empty(): string {
    return `${this.root}/empty`;
  }

  hasLayer(id: number): boolean {
    return existsSync(this.layer(id));
  }

  /** The layers that show below what is written, nearest first, the snapshot's own among them if it has one. */
  chain({ id, kind, parents }: DriverSnapshot): readonly number[] {
    return kind !== 'view' && this.hasLayer(id) ? [id, ...parents] : parents;
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

  /** Says what a snapshot needs mounted: places below the root. */
  writeUses(id: number, targets: readonly string[]): void {
    const path = this.at(id, 'uses');
    try {
      writeFileSync(path, targets.map(target => `${relative(this.root, target)}\n`).join(''), {
        mode: 0o600,
      });
    } catch (error) {
      throw wrapErrno(error, `cannot write ${path}`);
    }
  }

  /** It is committed. What it used stays mounted until it is told to let go. */
  linger(id: number): void {
    try {
      renameSync(this.at(id, 'uses'), this.at(id, 'lingering'));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot rename ${this.at(id, 'uses')}`);
    }
  }

  /** It uses nothing any more; returns what it did. */
  letGo(id: number): readonly string[] {
    const used = [...this.#read(this.at(id, 'uses')), ...this.stopLingering(id)];
    rmSync(this.at(id, 'uses'), { force: true });
    return used;
  }

  /** The same of what it used before it was committed. If that came to nothing in the end, it is still active, and goes on using what it uses. */
  stopLingering(id: number): readonly string[] {
    const used = this.#read(this.at(id, 'lingering'));
    rmSync(this.at(id, 'lingering'), { force: true });
    return used;
  }

  /** Whether it is committed, and has not let go. */
  isLingering(id: number): boolean {
    return existsSync(this.at(id, 'lingering'));
  }

  /** Those of these places that nobody needs mounted. Two small files are looked for in each snapshot's place. */
  findUnused(targets: readonly string[]): readonly string[] {
    if (targets.length === 0) return [];
    const unused = new Set(targets);
    for (const id of this.list()) {
      for (const name of ['uses', 'lingering']) {
        for (const target of this.#read(this.at(id, name))) unused.delete(target);
      }
    }
    return [...unused];
  }

  #read(path: string): readonly string[] {
    try {
      return readFileSync(path, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(name => join(this.root, name));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw wrapErrno(error, `cannot read ${path}`);
    }
  }
}
