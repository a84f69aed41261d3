import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { unmount } from '../../src/host/index.ts';
import { type DriverName, drivers, mountAll, Snapshots } from '../../src/snapshot/index.ts';
import { byteString } from '../../src/tree/index.ts';
import { extract } from './extract.ts';
import type { OpenSubject, Subject, View } from './subject.ts';

/** A driver of Shale's snapshotter, on a filesystem; as its users have it: prepare, mount, write, unmount, commit. */
export function snapshotted(driver: DriverName, subject: Omit<Subject, 'open'>): Subject {
  return { ...subject, open: (place, layers) => openSnapshotted(driver, place, layers) };
}

async function openSnapshotted(
  driver: DriverName,
  place: string,
  layers: readonly string[],
): Promise<OpenSubject> {
  const root = path.join(place, 'snapshots');
  const snapshots = await Snapshots.open(root, await drivers[driver]!.open({ root }));
  let count = 0;
  let parent: string | undefined;
  const prepare = async (): Promise<View> => {
    count += 1;
    return await SnapshotView.create(snapshots, parent, {
      key: `view-${count}`,
      target: path.join(place, `mnt-${count}`),
    });
  };
  for (const layer of layers) {
    const view = await prepare();
    extract(layer, view.path);
    await view.commit();
    parent = (view as SnapshotView).name;
  }
  return {
    prepare,
    async [Symbol.asyncDispose]() {
      await snapshots.close();
    },
  };
}

class SnapshotView implements View {
  readonly path: string;
  readonly entrance: readonly string[] = [];
  readonly #snapshots: Snapshots;
  readonly #key: string;
  #state: 'mounted' | 'committed' = 'mounted';

  private constructor(snapshots: Snapshots, key: string, target: string) {
    this.#snapshots = snapshots;
    this.#key = key;
    this.path = target;
  }

  static async create(
    snapshots: Snapshots,
    parent: string | undefined,
    { key, target }: { readonly key: string; readonly target: string },
  ): Promise<SnapshotView> {
    mkdirSync(target);
    await mountAll(await snapshots.prepare(key, parent), target);
    return new SnapshotView(snapshots, key, target);
  }

  /** Of what it is committed as. */
  get name(): string {
    return `${this.#key}-layer`;
  }

  async remount(): Promise<void> {
    unmount(byteString(this.path));
    await mountAll(await this.#snapshots.mounts(this.#key), this.path);
  }

  async commit(): Promise<void> {
    unmount(byteString(this.path));
    this.#state = 'committed';
    await this.#snapshots.commit(this.name, this.#key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'mounted') unmount(byteString(this.path));
    await this.#snapshots.remove(this.#state === 'mounted' ? this.#key : this.name);
  }
}
