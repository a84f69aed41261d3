import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listMounts, type MountPoint, unmount } from '../../src/host/index.ts';
import { type Mount, mountAll, type Snapshots } from '../../src/snapshot/index.ts';
import { listDisk } from '../disk.ts';
import { isSpellable, makeHoldable, makeVisible } from '../engine/image.ts';
import { createScratch } from '../host/scratch.ts';
import type { Listing } from '../model/listing.ts';
import type { Random } from '../model/random.ts';
import type { Stack } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';

/** A random stack with nothing in it that Linux does not show of a filesystem as it is stored; or of a squashfs. */
export function createLayers(random: Random, filesystem: 'erofs' | 'squashfs'): Stack {
  const shape = filesystem === 'squashfs' ? makeHoldable : makeVisible;
  for (;;) {
    const stack = shape((random.chance(0.5) ? createWildStack : createTameStack)(random));
    if (isSpellable(stack)) return stack;
  }
}

/** A directory for one test, in which nothing stays mounted, whatever the test has come to. */
export function createPlace(): ReturnType<typeof createScratch> {
  const scratch = createScratch();
  return {
    ...scratch,
    [Symbol.dispose]() {
      for (const { target } of mountedBelow(scratch.path).reverse()) unmount(target, { lazily: true });
      scratch[Symbol.dispose]();
    },
  };
}

export function mountedBelow(root: string): MountPoint[] {
  return listMounts().filter(({ target }) => target.startsWith(`${root}/`));
}

/** The files of the layers of a root, by id. */
export const layerFiles = (root: string) =>
  readdirSync(root)
    .filter(name => /^[0-9]+$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
    .map(name => join(root, name, 'layer.erofs'))
    .filter(existsSync);

export async function* chunked(bytes: Buffer, size = 60_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Mounts a snapshot at a place of its own while `work` runs. */
export async function withMounted<T>(
  mounts: readonly Mount[],
  work: (root: string) => T | Promise<T>,
): Promise<T> {
  const place = mkdtempSync(join(tmpdir(), 'shale-mounted-'));
  await mountAll(mounts, place);
  try {
    return await work(place);
  } finally {
    for (const _ of mounts) unmount(place);
    rmdirSync(place);
  }
}

let views = 0;

/** What a view of a committed snapshot shows. */
export async function listSnapshot(
  snapshots: Snapshots,
  name: string,
  options: Parameters<typeof listDisk>[1] = {},
): Promise<Listing> {
  const key = `list-${++views}`;
  const listing = await withMounted(await snapshots.view(key, name), root => listDisk(root, options));
  await snapshots.remove(key);
  return listing;
}

/** The same, its root's time apart: of that a layer that does not describe it cannot know. */
export function withoutRootTime([root, ...rest]: Listing): Listing {
  return [root!.replace(/^(\/ \S+ \S+ \S+) \S+/, '$1'), ...rest];
}

/** Removes all snapshots, and with them what they have mounted. */
export async function removeAll(snapshots: Snapshots): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of snapshots.walk()) keys.push(key);
  for (const key of keys.reverse()) await snapshots.remove(key);
  await snapshots.cleanup();
}
