/** Layers that the cache has in a driver's form are taken as they are, and nothing else is. */
import assert from 'node:assert/strict';
import { chmodSync, globSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unpackImage } from '../../../src/engine/snapshot/unpack.ts';
import { renderStack } from '../../../src/engine/stack/index.ts';
import { drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { layer, writeImage } from '../../cli/fixture.ts';
import { applyModel } from '../../model/model.ts';
import { createRandom, readSeed } from '../../model/random.ts';
import { createTameStack } from '../../model/tame.ts';
import { requires } from '../../requirement.ts';
import { createLayers, createPlace, listSnapshot, removeAll } from '../../snapshot/applied.ts';
import { fillStack, layoutOf, writeLayers, writeLayout } from '../image.ts';

const skip = requires({ mounts: ['erofs', 'overlay'] });
const seed = readSeed();
const count = Number(process.env.COUNT ?? 8);

const epoch = { seconds: 0, nanoseconds: 0 };
const platform = 'linux/amd64';

/** The layers of a root, oldest first, that are files of the cache, too. */
const adopted = (root: string) =>
  globSync('*/layer.erofs', { cwd: root })
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .map(name => lstatSync(join(root, name)).nlink > 1);

/** Unpacks an image twice: with what a cache has of it, and without. */
async function unpackBoth(place: ReturnType<typeof createPlace>, image: string, damage = () => {}) {
  const cache = place.at('cache');
  await renderStack(image, place.at('stack'), { overlay: true }, { platform, root: cache });
  damage();
  const results = [];
  for (const [name, options] of [
    ['with', { root: cache }],
    ['without', { cache: false }],
  ] as const) {
    const root = place.at(name);
    await using snapshots = await Snapshots.open(root, await drivers.erofs.open({ root }));
    const { unpacked } = await unpackImage(snapshots, image, { platform, ...options });
    const names: string[] = [];
    for await (const { key, kind } of snapshots.walk()) if (kind === 'committed') names.push(key);
    const listings = [];
    for (const key of names) listings.push(await listSnapshot(snapshots, key));
    const taken = adopted(root);
    await removeAll(snapshots);
    results.push({ unpacked, listings, taken });
  }
  const [taking, plain] = results;
  assert.equal(taking!.unpacked, plain!.unpacked);
  assert.deepEqual(taking!.listings, plain!.listings);
  assert.ok(
    plain!.taken.every(is => !is),
    'nothing is taken where nothing is kept',
  );
  return taking!.taken;
}

const layers = [
  layer({ './': { mode: 0o711 }, 'etc/': {}, 'etc/old': 'old\n', 'etc/gone': 'gone\n' }),
  layer({ './': { mode: 0o700 }, 'etc/': { mode: 0o750 }, 'etc/.wh.gone': '', 'etc/new': 'new\n' }),
  // Of which directory that is, the layers below have to say.
  layer({ 'etc/third': 'third\n' }),
];

test('a layer that means the same whatever is below it is the file that the cache has of it', {
  skip,
}, async () => {
  using place = createPlace();
  const image = await writeImage(place.at('image'), layers);
  assert.deepEqual(await unpackBoth(place, image), [true, true, false]);
});

test('a file of the cache that is damaged is not taken, and the layer is unpacked', { skip }, async () => {
  using place = createPlace();
  const image = await writeImage(place.at('image'), layers);
  const damage = () => {
    for (const name of globSync('cache/artifacts/*.erofs', { cwd: place.path })) {
      const bytes = readFileSync(place.at(name));
      bytes[bytes.length - 1]! ^= 1;
      chmodSync(place.at(name), 0o600);
      writeFileSync(place.at(name), bytes);
    }
  };
  assert.deepEqual(await unpackBoth(place, image, damage), [false, false, false]);
});

test(`what is taken shows what is unpacked (SEED=${seed} COUNT=${count})`, { skip }, async () => {
  for (let index = 0; index < count; index++) {
    using place = createPlace();
    const random = createRandom(seed + index);
    const stack = random.chance(0.5) ? createTameStack(random) : createLayers(random, 'erofs');
    const filled = fillStack(stack, random, 4096);
    if (applyModel(filled.stack, epoch) === 'rejected') continue;
    const tars = writeLayers(filled);
    const image = await writeLayout(
      place.at('layout'),
      layoutOf(tars, () => 'gzip'),
    );
    try {
      await unpackBoth(place, image);
    } catch (error) {
      throw new Error(`SEED=${seed + index} COUNT=1`, { cause: error });
    }
  }
});
