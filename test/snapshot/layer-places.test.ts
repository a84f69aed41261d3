/** What drivers that keep layers as files have on disk and mounted, from the first layer to a crash, a reboot and the last removal. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { renderStack } from '../../src/engine/stack/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import { unmount } from '../../src/host/index.ts';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { Metadata } from '../../src/snapshot/metadata.ts';
import { listDisk } from '../disk.ts';
import { fillStack, layoutOf, writeLayers, writeLayout } from '../engine/image.ts';
import { endBlocks, writeRecord } from '../engine/tar.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { requires } from '../requirement.ts';
import {
  chunked,
  createPlace,
  layerFiles,
  listSnapshot,
  mountedBelow,
  removeAll,
  withMounted,
} from './applied.ts';
import { work } from './workload.ts';

const seed = readSeed();
const skip = requires({ mounts: ['erofs', 'squashfs', 'overlay'] });

const variants = [
  ['erofs', {}],
  ['erofs', { merged: 'yes', mount: 'loop' }],
  ['erofs', { upper: '64M' }],
  ['squashfs', {}],
] as const;
type Variant = (typeof variants)[number];

async function open(
  root: string,
  [driver, settings]: Variant | ['erofs', Record<string, string>],
): Promise<Snapshots> {
  return await Snapshots.open(root, await drivers[driver].open({ root, settings }));
}

async function addLayer(
  snapshots: Snapshots,
  name: string,
  parent: string | undefined,
  write: (root: string) => void,
) {
  await withMounted(await snapshots.prepare(`${name}-active`, parent), write);
  await snapshots.commit(name, `${name}-active`);
}

async function fails(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => error instanceof ShaleError && error.code === code);
}

for (const variant of variants) {
  const what = `${variant[0]} ${JSON.stringify(variant[1])}`;

  test(`${what}: a reboot takes nothing away`, { skip }, async () => {
    using scratch = createPlace();
    const root = scratch.at('s');
    const before = await open(root, variant);
    for (const number of [1, 2, 3]) {
      await addLayer(before, `${number}`, number === 1 ? undefined : `${number - 1}`, place =>
        writeFileSync(join(place, `layer-${number}`), `${number}`),
      );
    }
    const mounts = await before.prepare('active', '3');
    await withMounted(mounts, place => writeFileSync(join(place, 'written'), 'before'));
    await before.view('view', '3');
    assert.notDeepEqual(mountedBelow(root), []);
    for (const { target } of mountedBelow(root).reverse()) unmount(target, { lazily: true });
    assert.deepEqual(mountedBelow(root), []);
    await using after = await open(root, variant);
    assert.deepEqual(await after.mounts('active'), mounts);
    const names = ['layer-1', 'layer-2', 'layer-3'];
    await withMounted(await after.mounts('active'), place => {
      assert.deepEqual(
        readdirSync(place)
          .filter(name => name !== 'lost+found')
          .sort(),
        [...names, 'written'],
      );
      assert.equal(readFileSync(join(place, 'written'), 'utf8'), 'before');
    });
    await withMounted(await after.mounts('view'), place =>
      assert.deepEqual(readdirSync(place).sort(), names),
    );
    await after.commit('4', 'active');
    assert.match((await listSnapshot(after, '4')).join('\n'), /^\/written /m);
    await removeAll(after);
    assert.deepEqual(mountedBelow(root), []);
    assert.deepEqual(
      readdirSync(root).filter(name => /^[0-9]+$/.test(name)),
      [],
    );
  });

  test(`${what}: layers are mounted for as long as somebody uses them`, { skip }, async () => {
    using scratch = createPlace();
    const root = scratch.at('s');
    const snapshots = await open(root, variant);
    await addLayer(snapshots, '1', undefined, place => writeFileSync(join(place, 'file'), '1'));
    await addLayer(snapshots, '2', '1', place => writeFileSync(join(place, 'file'), '2'));
    await snapshots.view('one', '2');
    await snapshots.view('two', '2');
    await snapshots.remove('one');
    // Whoever has the mounts of the other one can still use them.
    await withMounted(await snapshots.mounts('two'), async place => {
      await snapshots.remove('two');
      assert.equal(readFileSync(join(place, 'file'), 'utf8'), '2');
    });
    assert.deepEqual(mountedBelow(root), []);
    // What was committed last keeps its parents mounted for the one that is most often made on top of it, and no longer.
    await snapshots.prepare('three-active', '2');
    await snapshots.commit('3', 'three-active');
    await snapshots.close();
    assert.deepEqual(mountedBelow(root), []);
    await using again = await open(root, variant);
    await removeAll(again);
  });

  test(`${what}: a commit that comes to nothing at its very end leaves the snapshot as it was`, {
    skip,
  }, async t => {
    using scratch = createPlace();
    await using snapshots = await open(scratch.at('s'), variant);
    await addLayer(snapshots, '1', undefined, place => writeFileSync(join(place, 'below'), '1'));
    await withMounted(await snapshots.prepare('active', '1'), place =>
      writeFileSync(join(place, 'file'), '2'),
    );
    const finish = t.mock.method(Metadata.prototype, 'finishCommit', () => {
      throw new Error('cut short');
    });
    await assert.rejects(snapshots.commit('2', 'active'), /cut short/);
    finish.mock.restore();
    for (let time = 0; time < 2; time += 1) {
      await withMounted(await snapshots.mounts('active'), place =>
        assert.deepEqual(readdirSync(place).sort(), ['below', 'file']),
      );
    }
    await snapshots.commit('2', 'active');
    assert.match((await listSnapshot(snapshots, '2')).join('\n'), /^\/file /m);
    await removeAll(snapshots);
  });

  test(`${what}: killed while it commits, it has done it or has not (SEED=${seed})`, { skip }, async () => {
    using scratch = createPlace();
    const random = createRandom(seed);
    const root = scratch.at('s');
    const url = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
    writeFileSync(
      scratch.at('commit.mjs'),
      `import { drivers, Snapshots } from ${url('snapshot/index.ts')};
       const options = { root: ${JSON.stringify(root)}, settings: ${JSON.stringify(variant[1])} };
       const snapshots = await Snapshots.open(options.root, await drivers.${variant[0]}.open(options));
       process.stdout.write('ready');
       await snapshots.commit(process.argv[2], 'active');
       process.stdout.write('done');`,
    );
    let parent: string | undefined;
    for (let round = 0; round < 3; round += 1) {
      const name = `round-${round}`;
      let written: readonly string[];
      {
        await using snapshots = await open(root, variant);
        written = await withMounted(await snapshots.prepare('active', parent), place => {
          work(place, random, 60);
          writeFileSync(join(place, `big-${round}`), Buffer.alloc(4_000_000, `${round}`));
          return listDisk(place, { wholeSeconds: variant[0] === 'squashfs' });
        });
      }
      const child = spawn(process.execPath, [scratch.at('commit.mjs'), name], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      // Asked for now: it may have done its work, and ended, before it is killed.
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      await setTimeout(random.integer(60));
      child.kill('SIGKILL');
      await ended;
      await using snapshots = await open(root, variant);
      await snapshots.cleanup();
      const keys: string[] = [];
      for await (const { key, kind } of snapshots.walk()) if (kind !== 'committed') keys.push(key);
      // What was brought into the layer before the kill is shown by a squashfs, which has no time before 1970.
      const before1970 = (line: string) =>
        variant[0] === 'squashfs' ? line.replace(/ -\d+\.0/, ' 0.0') : line;
      if (keys.length > 0) {
        assert.deepEqual(keys, ['active']);
        const active = await withMounted(await snapshots.mounts('active'), place =>
          listDisk(place, { wholeSeconds: variant[0] === 'squashfs' }),
        );
        assert.deepEqual(active.map(before1970), written.map(before1970));
        await snapshots.commit(name, 'active');
      }
      const shown = await listSnapshot(snapshots, name, { wholeSeconds: variant[0] === 'squashfs' });
      assert.deepEqual(shown, written.map(before1970), `round ${round}`);
      const litter = (readdirSync(root, { recursive: true }) as string[]).filter(file =>
        /\.(new|old)$/.test(file),
      );
      assert.deepEqual(litter, []);
      parent = name;
    }
    await using snapshots = await open(root, variant);
    await removeAll(snapshots);
    assert.deepEqual(mountedBelow(root), []);
  });

  test(`${what}: what is written over an applied layer, and a second layer, are one layer (SEED=${seed})`, {
    skip,
  }, async () => {
    using scratch = createPlace();
    const root = scratch.at('s');
    await using snapshots = await open(root, variant);
    const random = createRandom(seed);
    const image = fillStack(createTameStack(random).slice(0, 2), random, 4096);
    const [first, second] = writeLayers(image);
    await addLayer(snapshots, 'base', undefined, place => work(place, random, 30));
    await snapshots.prepare('active', 'base');
    await snapshots.apply('active', chunked(first!));
    await withMounted(await snapshots.mounts('active'), place => work(place, random, 30));
    await snapshots.apply('active', chunked(second!));
    const options = { wholeSeconds: variant[0] === 'squashfs' };
    const shown = await withMounted(await snapshots.mounts('active'), place => {
      writeFileSync(join(place, 'last'), '');
      return listDisk(place, options);
    });
    await snapshots.commit('all', 'active');
    const clamped = (line: string) => line.replace(/ -\d+\.0/, ' 0.0');
    assert.deepEqual(
      await listSnapshot(snapshots, 'all', options),
      options.wholeSeconds ? shown.map(clamped) : shown,
    );
    await removeAll(snapshots);
  });
}

test('what showed a layer alone does not show it on a parent', { skip }, async () => {
  const tar = Buffer.concat([
    writeRecord(createRecord({ type: 'directory', path: './', mode: 0o755 }), Buffer.alloc(0)),
    writeRecord(createRecord({ type: 'file', path: 'upper', size: 5 }), Buffer.from('upper')),
    endBlocks,
  ]);
  for (const variant of variants) {
    using scratch = createPlace();
    await using snapshots = await open(scratch.at('s'), variant);
    await addLayer(snapshots, 'base', undefined, place => writeFileSync(join(place, 'lower'), ''));
    await snapshots.prepare('alone', undefined);
    await snapshots.apply('alone', chunked(tar));
    await withMounted(await snapshots.mounts('alone'), place =>
      assert.deepEqual(readdirSync(place), ['upper']),
    );
    await snapshots.commit('both', 'alone', { parent: 'base' });
    await withMounted(await snapshots.view('view', 'both'), place =>
      assert.deepEqual(readdirSync(place).sort(), ['lower', 'upper']),
    );
    await removeAll(snapshots);
  }
});

test(`an applied layer is the file that the cache has of it (SEED=${seed})`, { skip }, async () => {
  using scratch = createPlace();
  const random = createRandom(seed);
  const image = fillStack(createTameStack(random), random, 4096);
  const tars = writeLayers(image);
  const source = await writeLayout(
    scratch.at('layout'),
    layoutOf(tars, () => 'gzip'),
  );
  const { manifest } = await renderStack(
    source,
    scratch.at('stack'),
    { overlay: true },
    {
      platform: 'linux/amd64',
      root: scratch.at('cache'),
    },
  );
  const cached = manifest.layers.map(({ image }) => scratch.at(join('stack', image!.file)));
  const root = scratch.at('s');
  await using snapshots = await open(root, ['erofs', {}]);
  for (const [layer, tar] of tars.entries()) {
    await snapshots.prepare(`${layer}-active`, layer === 0 ? undefined : `${layer - 1}`);
    await snapshots.apply(`${layer}-active`, chunked(tar));
    await snapshots.commit(`${layer}`, `${layer}-active`);
  }
  // The lowest has nothing to delete: its file does without the marks.
  for (const [layer, file] of layerFiles(root).entries()) {
    if (layer > 0) assert.deepEqual(readFileSync(file), readFileSync(cached[layer]!), `layer ${layer}`);
  }
  const expected = await listSnapshot(snapshots, `${tars.length - 1}`);

  const other = scratch.at('o');
  await using adopting = await open(other, ['erofs', { immutable: 'yes' }]);
  for (const layer of tars.keys()) {
    await adopting.prepare('active', layer === 0 ? undefined : `${layer - 1}`);
    await adopting.adopt('active', { path: cached[layer]! });
    await fails('conflict', adopting.adopt('active', { path: cached[layer]! }));
    await adopting.commit(`${layer}`, 'active');
  }
  for (const [layer, file] of layerFiles(other).entries()) {
    assert.equal(lstatSync(file).ino, lstatSync(cached[layer]!).ino, 'one file under two names');
  }
  assert.deepEqual(await listSnapshot(adopting, `${tars.length - 1}`), expected);
  await adopting.prepare('active', undefined);
  writeFileSync(scratch.at('noise'), Buffer.alloc(9000, 'noise'));
  await fails('corrupt', adopting.adopt('active', { path: scratch.at('noise') }));
  await removeAll(adopting);
  await removeAll(snapshots);
  for (const file of cached) rmSync(file);
});

test('a disk of its own holds what it holds, and goes with the commit', {
  skip: skip || requires({ tools: ['mkfs.ext4'] }),
}, async () => {
  using scratch = createPlace();
  const root = scratch.at('s');
  await using snapshots = await open(root, ['erofs', { upper: '16M' }]);
  await addLayer(snapshots, 'base', undefined, place => writeFileSync(join(place, 'file'), 'base'));
  await withMounted(await snapshots.prepare('active', 'base'), place => {
    writeFileSync(join(place, 'some'), Buffer.alloc(4_000_000, 'x'));
    assert.throws(() => writeFileSync(join(place, 'much'), Buffer.alloc(32_000_000, 'x')), {
      code: 'ENOSPC',
    });
    rmSync(join(place, 'much'));
  });
  assert.ok((await snapshots.usage('active')).size > 4_000_000);
  await snapshots.commit('one', 'active');
  const files = readdirSync(root, { recursive: true }) as string[];
  assert.deepEqual(
    files.filter(file => /rw/.test(file) && statSync(join(root, file)).isFile()),
    [],
  );
  assert.deepEqual(
    (await listSnapshot(snapshots, 'one')).map(line => line.split(' ')[0]),
    ['/', '/file', '/some'],
  );
  await removeAll(snapshots);
});

test('a committed layer that is immutable stays as it is until it is removed', { skip }, async t => {
  using scratch = createPlace();
  const root = scratch.at('s');
  await using snapshots = await open(root, ['erofs', { immutable: 'yes' }]);
  try {
    await addLayer(snapshots, 'one', undefined, place => writeFileSync(join(place, 'file'), '1'));
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code !== 'unsupported') throw error;
    await removeAll(snapshots);
    t.skip(error.message);
    return;
  }
  const [file] = layerFiles(root);
  assert.throws(() => openSync(file!, 'r+'), { code: 'EPERM' });
  assert.throws(() => rmSync(file!), { code: 'EPERM' });
  await addLayer(snapshots, 'two', 'one', place => writeFileSync(join(place, 'file'), '2'));
  await removeAll(snapshots);
  assert.deepEqual(layerFiles(root), []);
});

test('a chain of many layers is one lower directory', { skip }, async () => {
  using scratch = createPlace();
  const root = scratch.at('s');
  await using snapshots = await open(root, ['erofs', {}]);
  const labels = { 'containerd.io/snapshot.ref': 'sha256:…' };
  const lowersOf = (mounts: readonly { readonly options: readonly string[] }[]) =>
    mounts[0]!.options.find(option => option.startsWith('lowerdir='))!.split(':').length;
  for (let number = 0; number < 40; number += 1) {
    const parent = number === 0 ? undefined : `${number - 1}`;
    const mounts = await snapshots.prepare('active', parent, { labels });
    assert.equal(
      lowersOf(mounts),
      Math.max(1, number),
      'nothing is merged for a layer that is to be applied',
    );
    await withMounted(mounts, place => writeFileSync(join(place, `${number}`), ''));
    await snapshots.commit(`${number}`, 'active');
  }
  assert.equal(lowersOf(await snapshots.prepare('few', '30')), 31);
  assert.equal(lowersOf(await snapshots.prepare('many', '39')), 1);
  await withMounted(await snapshots.mounts('many'), place => assert.equal(readdirSync(place).length, 40));
  await removeAll(snapshots);
});

test('what a snapshot has changed can be looked at, written, applied or committed', { skip }, async () => {
  for (const variant of variants) {
    using scratch = createPlace();
    await using snapshots = await open(scratch.at('s'), variant);
    await addLayer(snapshots, 'base', undefined, place => writeFileSync(join(place, 'old'), 'old'));
    await withMounted(await snapshots.prepare('active', 'base'), place => {
      rmSync(join(place, 'old'));
      writeFileSync(join(place, 'new'), 'new');
    });
    const check = async (key: string) => {
      await using changes = await snapshots.openChanges(key);
      assert.equal(changes.kind, 'upper');
      if (changes.kind !== 'upper') return;
      assert.ok(lstatSync(join(changes.path, 'old')).isCharacterDevice());
      assert.equal(readFileSync(join(changes.path, 'new'), 'utf8'), 'new');
      assert.deepEqual(readdirSync(changes.lower!), ['old']);
    };
    await check('active');
    await snapshots.commit('changed', 'active');
    await check('changed');
    await removeAll(snapshots);
  }
});

test('drivers of images can be used here, and trying that leaves nothing', { skip }, async () => {
  using scratch = createPlace();
  for (const [driver, settings] of variants) {
    const root = scratch.at('probe');
    assert.deepEqual(await drivers[driver].probe({ root, settings }), { usable: true });
    assert.deepEqual(readdirSync(root), []);
    assert.deepEqual(mountedBelow(root), []);
  }
  const root = scratch.at('s');
  for (const settings of [{ merged: 'perhaps' }, { upper: '12X' }, { level: '3' }, { nonsense: '' }]) {
    await fails(
      'invalid',
      Promise.resolve().then(() => drivers.erofs.open({ root, settings: settings as never })),
    );
  }
});
