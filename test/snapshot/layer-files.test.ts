/** Layers that drivers keep as files, applied whole: what the kernel then shows is what the merge contract's model says. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ShaleError } from '../../src/error/index.ts';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { byteString } from '../../src/tree/index.ts';
import { layer } from '../cli/fixture.ts';
import { listDisk } from '../disk.ts';
import { fillStack, writeLayers } from '../engine/image.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import type { Listing } from '../model/listing.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { formatStack } from '../model/record.ts';
import { requires } from '../requirement.ts';
import {
  chunked,
  createLayers,
  createPlace,
  listSnapshot,
  removeAll,
  withMounted,
  withoutRootTime,
} from './applied.ts';
import { work } from './workload.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 15);
const skip = requires({ mounts: ['erofs', 'squashfs', 'overlay'] });
const epoch = { seconds: 0, nanoseconds: 0 };
const ref = { 'containerd.io/snapshot.ref': 'chain' };

const variants = [
  ['erofs', {}],
  ['erofs', { merged: 'yes' }],
  ['erofs', { mount: 'loop', merged: 'yes' }],
  ['erofs', { mount: 'loop', merged: 'no' }],
  ['squashfs', { compression: 'lz4' }],
] as const;

for (const isRebased of [false, true]) {
  const how = isRebased ? 'all at once, put onto each other when they are committed' : 'one on the other';
  test(`layers that are applied ${how} show what the model says (SEED=${seed} COUNT=${count})`, {
    skip,
  }, async () => {
    for (let index = 0; index < count; index++) {
      using scratch = createPlace();
      const random = createRandom(seed + index);
      const [driver, settings] = variants[(seed + index) % variants.length]!;
      const image = fillStack(createLayers(random, driver), random, 4096);
      const outcome = applyModel(image.stack, epoch);
      const layers = writeLayers(image);
      const what = `${driver} ${JSON.stringify(settings)} SEED=${seed + index} COUNT=1\n${formatStack(image.stack)}`;
      const root = scratch.at('s');
      await using snapshots = await Snapshots.open(root, await drivers[driver].open({ root, settings }));
      const labels = random.chance(0.5) ? ref : {};
      const parentOf = (layer: number) => (layer === 0 ? undefined : `layer-${layer - 1}`);
      const run = async () => {
        const apply = (layer: number) =>
          snapshots.apply(`active-${layer}`, chunked(layers[layer]!, 1 + random.integer(100_000)));
        if (isRebased) {
          for (const layer of layers.keys())
            await snapshots.prepare(`active-${layer}`, undefined, { labels });
          await Promise.all([...layers.keys()].map(apply));
          // Whoever looks at one before it has its parents sees it alone.
          if (random.chance(0.5))
            for (const layer of layers.keys()) await snapshots.mounts(`active-${layer}`);
        }
        for (const layer of layers.keys()) {
          const parent = parentOf(layer);
          if (!isRebased) {
            await snapshots.prepare(`active-${layer}`, parent, { labels });
            await apply(layer);
          }
          await snapshots.commit(`layer-${layer}`, `active-${layer}`, isRebased ? { parent } : {});
        }
      };
      if (outcome === 'rejected') {
        await assert.rejects(run, (error: ShaleError) => error.code === 'invalid', what);
      } else {
        try {
          await run();
        } catch (error) {
          throw new Error(what, { cause: error });
        }
        const found = await listSnapshot(snapshots, `layer-${layers.length - 1}`);
        assert.deepEqual(withoutRootTime(found), withoutRootTime(outcome.listing), what);
      }
      await removeAll(snapshots);
    }
  });
}

for (const isRebased of [false, true]) {
  const how = isRebased ? 'put onto it later' : 'applied on it';
  test(`a parent whose own entry comes later is until then what it is below: ${how}`, { skip }, async () => {
    using scratch = createPlace();
    const root = scratch.at('s');
    await using snapshots = await Snapshots.open(root, await drivers.erofs.open({ root, settings: {} }));
    const lower = layer({ 'to/': {}, link: { type: 'symlink', linkpath: byteString('to') } });
    const upper = layer({ 'link/made/': {}, 'link/': {} });
    await snapshots.prepare('one', undefined);
    await snapshots.apply('one', chunked(lower));
    await snapshots.commit('lower', 'one');
    await snapshots.prepare('two', isRebased ? undefined : 'lower');
    await snapshots.apply('two', chunked(upper));
    await snapshots.commit('upper', 'two', isRebased ? { parent: 'lower' } : {});
    const seen = await listSnapshot(snapshots, 'upper');
    // As tar(1) unpacks one archive after the other.
    assert.deepEqual(
      seen.map(line => line.split(' ', 2).join(' ')),
      ['/ directory', '/link directory', '/to directory', '/to/made directory'],
    );
    await removeAll(snapshots);
  });
}

/** Judges a committed layer, as it lies on disk. */
function judge(root: string): void {
  const files = readdirSync(root, { recursive: true }) as string[];
  for (const file of files) {
    if (/\.erofs$/.test(file))
      execFileSync(newErofsTool('fsck.erofs')!, [join(root, file)], { stdio: 'pipe' });
    if (/\.sqfs$/.test(file))
      execFileSync('unsquashfs', ['-lls', join(root, file)], { stdio: 'pipe', maxBuffer: 1e8 });
  }
  assert.deepEqual(
    files.filter(file => /\.(new|old|lock)$/.test(file)),
    [],
  );
}

const timeless = (listing: Listing) => listing.map(line => line.replace(/^(\S+ \S+ \S+ \S+) \S+/, '$1'));

test(`what programs have written is what is committed, and what copies have (SEED=${seed} COUNT=${count})`, {
  skip: skip || requires({ tools: ['unsquashfs'] }) || requiresNewErofs(),
}, async () => {
  for (let index = 0; index < count; index++) {
    using scratch = createPlace();
    const [driver, settings] = variants[(seed + index) % variants.length]!;
    const what = `${driver} ${JSON.stringify(settings)} SEED=${seed + index} COUNT=1`;
    const open = async (name: 'native' | typeof driver) => {
      const root = scratch.at(name);
      const options = { root, settings: name === 'native' ? {} : settings };
      return await Snapshots.open(root, await drivers[name].open(options));
    };
    await using native = await open('native');
    await using tested = await open(driver);
    const random = createRandom(seed + index);
    const [layers, steps] = [1 + random.integer(4), 5 + random.integer(40)];
    const isFlat = driver === 'squashfs';
    const wholeSeconds = isFlat;
    for (let layer = 0; layer < layers; layer += 1) {
      const parent = layer === 0 ? undefined : `layer-${layer - 1}`;
      const labels = random.chance(0.5) ? ref : {};
      const choices = random.integer(1_000_000);
      const written: Listing[] = [];
      for (const snapshots of [native, tested]) {
        const mounts = await snapshots.prepare('active', parent, { labels });
        written.push(
          await withMounted(mounts, root => {
            work(root, createRandom(choices), steps);
            return listDisk(root, { wholeSeconds });
          }),
        );
        await snapshots.commit(`layer-${layer}`, 'active');
      }
      assert.deepEqual(timeless(written[1]!), timeless(written[0]!), what);
      const shown = await listSnapshot(tested, `layer-${layer}`, { wholeSeconds });
      // Squashfs begins in 1970.
      const expected = isFlat ? written[1]!.map(line => line.replace(/ -\d+\.0/, ' 0.0')) : written[1]!;
      assert.deepEqual(shown, expected, what);
    }
    judge(scratch.at(driver));
    await removeAll(tested);
    await removeAll(native);
  }
});
