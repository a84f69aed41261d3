/** Stacks of random images, through the kernel: overlay of the layers and merged image, against the naive model. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { render, verify } from '../../src/engine/index.ts';
import { openPlace } from '../../src/engine/place/open.ts';
import { renderStack, type StackManifest } from '../../src/engine/stack/index.ts';
import type { ShaleError } from '../../src/error/index.ts';
import { listDisk } from '../disk.ts';
import {
  created,
  fillStack,
  forms,
  isSpellable,
  layoutOf,
  makeVisible,
  writeLayers,
  writeLayout,
} from '../engine/image.ts';
import { Scratch } from '../engine/scratch.ts';
import { type KernelMount, mountErofs, mountOverlay } from '../kernel-mount.ts';
import { formatListing, type ListedInode, type Listing } from '../model/listing.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { formatStack, type Stack } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 12);

function createImage(random: Random, index: number): Stack {
  for (;;) {
    const stack = makeVisible((index % 2 === 0 ? createWildStack : createTameStack)(random));
    if (isSpellable(stack)) return stack;
  }
}

/** All that a stack shows to whom `ls` and `cat` look with. */
async function listPlace(path: string): Promise<Listing> {
  await using view = await openPlace(path, {});
  const found: (readonly [string, ListedInode, unknown])[] = [];
  const pending: [string, unknown][] = [['', view.root]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [name, handle] = next;
    const inode = view.describe(handle);
    const hash = createHash('sha256');
    if (inode.type === 'file') for await (const chunk of view.read(handle)) hash.update(chunk);
    // An image names its inodes by number, a tree by themselves.
    const identity = (handle as { nid?: number }).nid ?? handle;
    found.push([name, { ...inode, content: hash.digest('hex') }, identity]);
    if (inode.type !== 'directory') continue;
    for (const [below, child] of view.children(handle)) {
      pending.push([name === '' ? below : `${name}/${below}`, child]);
    }
  }
  return formatListing(found);
}

/** Everything mounted as the manifest says. */
function mountStack(path: string, { overlay, merged }: StackManifest, stack: DisposableStack) {
  const mounts: Record<string, KernelMount> = {};
  const inside = (file: string) => join(path, file);
  if (overlay !== undefined) {
    const lowers = overlay.lowers.map(({ file, device }) =>
      stack.use(mountErofs(inside(file), { devices: device === undefined ? [] : [inside(device)] })),
    );
    mounts.overlay = stack.use(mountOverlay(lowers.map(mount => mount.path)));
  }
  if (merged !== undefined) {
    mounts.merged = stack.use(mountErofs(inside(merged.image.file), { devices: merged.devices.map(inside) }));
  }
  return mounts;
}

test(`stacks show what the model says, stacked and merged (SEED=${seed} COUNT=${count})`, {
  skip: requires({ root: true, mounts: ['erofs', 'overlay'] }),
}, async () => {
  for (let index = 0; index < count; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + index);
    const stack = createImage(random, index);
    const image = fillStack(stack, random, 4096);
    const outcome = applyModel(image.stack, created);
    const files = layoutOf(writeLayers(image), () => random.pick(forms));
    const source = await writeLayout(scratch.directory('layout'), files);
    const path = scratch.file('stack');
    const what = `SEED=${seed + index} COUNT=1\n${formatStack(stack)}`;
    const tarIndex = index % 3 === 2;
    const rendering = renderStack(
      source,
      path,
      { overlay: true, merged: true, tarIndex },
      { platform: 'linux/amd64', jobs: 1 + random.integer(3), root: scratch.file('cache') },
    );
    if (outcome === 'rejected') {
      await assert.rejects(rendering, (error: ShaleError) => error.code === 'invalid', what);
      continue;
    }
    const { manifest } = await rendering;
    const compression = random.pick(['none', 'lz4', 'zstd', 'deflate'] as const);
    await render(source, [{ path: scratch.file('flat.erofs'), compression }], { platform: 'linux/amd64' });
    const { differences } = await verify(source, path, { platform: 'linux/amd64', jobs: 1 });
    assert.deepEqual(differences, [], what);
    using mounted = new DisposableStack();
    const mounts = {
      ...mountStack(path, manifest, mounted),
      [`flat, ${compression}`]: mounted.use(mountErofs(scratch.file('flat.erofs'))),
    };
    for (const [form, mount] of Object.entries(mounts)) {
      assert.deepEqual(
        listDisk(mount.path),
        outcome.listing,
        `${form}${tarIndex ? ' of tars' : ''}: ${what}`,
      );
    }
    // What `ls` and `cat` find in the overlay; without it they look into the merged image.
    const { merged: _, ...alone } = manifest;
    for (const shown of [manifest, alone]) {
      writeFileSync(join(path, 'stack.json'), JSON.stringify(shown));
      assert.deepEqual(await listPlace(path), outcome.listing, what);
    }
  }
});
