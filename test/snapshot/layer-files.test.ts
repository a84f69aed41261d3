/** Layers that drivers keep as files, applied whole: what the kernel then shows is what the merge contract's model says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShaleError } from '../../src/error/index.ts';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { fillStack, writeLayers } from '../engine/image.ts';
import { createScratch } from '../host/scratch.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { formatStack } from '../model/record.ts';
import { requires } from '../requirement.ts';
import { chunked, createLayers, listSnapshot, removeAll, withoutRootTime } from './applied.ts';

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
      using scratch = createScratch();
      const random = createRandom(seed + index);
      const [driver, settings] = variants[index % variants.length]!;
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
