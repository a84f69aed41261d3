import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { Warnings, wrapErrno } from '../../../error/index.ts';
import { createExt4, Losses, Metadata, removeTree } from '../../../host/index.ts';
import { byteString } from '../../../tree/index.ts';
import type { DriverSnapshot } from '../driver.ts';
import type { ImageMounts } from './image-mounts.ts';
import type { LayerPlaces } from './layer-places.ts';
import { plainXattrs } from './markers.ts';
import { openLayer } from './open-layer.ts';

/** Where active snapshots are written to: directories in their places, or each on a disk of its own. */
export class UpperDirectories {
  readonly #places: LayerPlaces;
  readonly #mounts: ImageMounts;
  readonly #diskBytes: number | undefined;

  /** `diskBytes`: how large such a disk is; it takes room as it is written to. `undefined`: no disks. */
  constructor(places: LayerPlaces, mounts: ImageMounts, diskBytes: number | undefined) {
    this.#places = places;
    this.#mounts = mounts;
    this.#diskBytes = diskBytes;
  }

  /** Makes them if they are not there, and brings back what a reboot has unmounted. A snapshot that soon will be committed is not worth a disk. */
  async ensure(snapshot: DriverSnapshot): Promise<void> {
    const { id, purpose } = snapshot;
    const [below] = this.#places.chain(snapshot);
    const disk = this.#places.disk(id);
    const isThere = existsSync(disk) || existsSync(this.#places.at(id, 'upper'));
    if (!isThere && purpose !== 'layer') await this.#makeDisk(disk);
    if (existsSync(disk)) {
      const target = this.#places.at(id, 'rw');
      await this.#mounts.ensure([{ type: 'ext4', image: disk, target, access: 'read-write' }]);
    }
    const upper = this.#places.upper(id);
    try {
      mkdirSync(this.work(id), { recursive: true, mode: 0o711 });
      if (existsSync(upper)) return;
      // Whole, or not there: a root directory with half of its metadata would be taken for what was written.
      const draft = `${upper}.new`;
      removeTree(draft);
      mkdirSync(draft, { mode: 0o755 });
      if (below !== undefined) copyRoot(this.#places.layer(below), draft);
      renameSync(draft, upper);
    } catch (error) {
      throw wrapErrno(error, `cannot create ${upper}`);
    }
  }

  /** What is on a snapshot's disk can be seen, if it has one. */
  async mountDisk(snapshot: DriverSnapshot): Promise<void> {
    if (existsSync(this.#places.disk(snapshot.id))) await this.ensure(snapshot);
  }

  async #makeDisk(disk: string): Promise<void> {
    if (this.#diskBytes === undefined) return;
    const draft = `${disk}.new`;
    rmSync(draft, { force: true });
    await createExt4(draft, { size: this.#diskBytes, journal: true });
    renameSync(draft, disk);
  }

  work(id: number): string {
    return `${this.#places.upperHome(id)}/work`;
  }

  /** Removes them, in one step as far as a crash can see. */
  async discard(id: number): Promise<void> {
    const disk = this.#places.disk(id);
    try {
      if (existsSync(disk)) {
        await this.#mounts.clear(this.#places.at(id));
        rmSync(disk, { force: true });
      }
      const [upper, old] = [this.#places.at(id, 'upper'), this.#places.at(id, 'upper.old')];
      removeTree(old);
      if (existsSync(upper)) renameSync(upper, old);
      removeTree(old);
      removeTree(this.#places.at(id, 'work'));
    } catch (error) {
      throw wrapErrno(error, `cannot clear ${this.#places.at(id)}`);
    }
  }
}

/** Of several roots the uppermost shows: it has to be as the one below, until somebody changes it. */
function copyRoot(layer: string, target: string): void {
  using open = openLayer(layer);
  const quiet = { warnings: new Warnings(), losses: new Losses() };
  const created = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const { root } = open;
  new Metadata(created, quiet).apply(byteString(target), '', { ...root, xattrs: plainXattrs(root.xattrs) });
}
