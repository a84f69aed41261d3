/** Several who want the same layers at once. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { unpackLayer } from '../../../src/engine/snapshot/unpack.ts';
import { listMountsIn, unmount } from '../../../src/host/index.ts';
import { type DriverName, drivers, Snapshots } from '../../../src/snapshot/index.ts';
import { bin, layer, writeImage } from '../../cli/fixture.ts';
import { createScratch } from '../../host/scratch.ts';
import { requires } from '../../requirement.ts';

const place = { name: 'sha256:layer', parent: undefined, diffId: 'sha256:layer' };

async function openNative(root: string): Promise<Snapshots> {
  return await Snapshots.open(root, await drivers.native!.open({ root }));
}

async function keys(snapshots: Snapshots): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of snapshots.walk()) found.push(key);
  return found;
}

test('a layer that somebody is just committing is waited for, and not made again', async () => {
  using scratch = createScratch();
  await using one = await openNative(scratch.path);
  await using two = await openNative(scratch.path);
  const committing = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const { commit } = one.driver;
  one.driver.commit = async (...given) => {
    committing.resolve();
    await go.promise;
    return await commit.apply(one.driver, given);
  };
  const first = unpackLayer(one, place, async () => {});
  await committing.promise;
  const second = unpackLayer(two, place, async () => assert.fail('made again'));
  await setTimeout(150);
  go.resolve();
  assert.deepEqual(await Promise.all([first, second]), [true, false]);
  assert.deepEqual(await keys(two), [place.name]);
  assert.ok(!readdirSync(scratch.path).some(name => name.endsWith('.lock')));
});

test('when it fails whoever waits makes it; a wait can be given up', async () => {
  using scratch = createScratch();
  await using one = await openNative(scratch.path);
  await using two = await openNative(scratch.path);
  const go = Promise.withResolvers<void>();
  const first = unpackLayer(one, place, () => go.promise);
  const second = unpackLayer(two, place, async () => {});
  const abort = new AbortController();
  const third = unpackLayer(two, place, async () => assert.fail('made again'), abort.signal);
  abort.abort(new Error('enough'));
  await assert.rejects(third);
  go.reject(new Error('broken'));
  await assert.rejects(first, /broken/);
  assert.equal(await second, true);
  assert.deepEqual(await keys(two), [place.name]);
});

test('what another has called so, and has not committed, is told of', async () => {
  using scratch = createScratch();
  await using snapshots = await openNative(scratch.path);
  await snapshots.prepare(place.name, undefined);
  await assert.rejects(
    unpackLayer(snapshots, place, async () => {}),
    { code: 'conflict' },
  );
});

test('locks that killed processes have left go with the next clearing up', async () => {
  using scratch = createScratch();
  await using snapshots = await openNative(scratch.path);
  const left = `${'0'.repeat(64)}.lock`;
  writeFileSync(scratch.at(left), '');
  const held = await snapshots.lockName('held');
  await snapshots.cleanup();
  const locks = readdirSync(scratch.path).filter(name => name.endsWith('.lock'));
  assert.equal(locks.length, 1);
  assert.notEqual(locks[0], left);
  held.remove();
});

for (const driver of ['overlayfs', 'erofs'] satisfies DriverName[]) {
  const skip = requires({ mounts: driver === 'erofs' ? ['overlay', 'erofs'] : ['overlay'] });
  test(`four processes mount one image at once, the first time ever: ${driver}`, { skip }, async () => {
    using scratch = createScratch();
    const image = await writeImage(
      scratch.at('image'),
      Array.from({ length: 6 }, (_, index) => layer({ [`file-${index}`]: `${index}`.repeat(50_000) })),
    );
    const places = ['a', 'b', 'c', 'd'].map(name => scratch.at(name));
    for (const place of places) mkdirSync(place);
    const root = ['--root', scratch.at('root')];
    try {
      const ended = places.map(async place => {
        const args = [bin, 'mount', image, place, ...root, '--driver', driver];
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
        let errors = '';
        child.stderr.setEncoding('utf8').on('data', text => {
          errors += text;
        });
        const [status] = await once(child, 'close');
        return status === 0 ? '' : errors;
      });
      assert.deepEqual(await Promise.all(ended), ['', '', '', '']);
      for (const place of places) assert.equal(readdirSync(place).length, 6);
    } finally {
      for (const { target } of listMountsIn(scratch.path).reverse()) unmount(target, { lazily: true });
    }
  });
}
