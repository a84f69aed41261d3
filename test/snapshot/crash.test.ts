import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';

const child = new URL('./crash-child.ts', import.meta.url).pathname;

/** Runs the child, which prepares, commits and removes without an end, and kills it after so many milliseconds. */
async function killAfter(root: string, driver: string, milliseconds: number): Promise<void> {
  const process_ = spawn(process.execPath, [child, root, driver], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(process_, 'exit');
  await once(process_.stdout, 'data');
  await new Promise(resolve => setTimeout(resolve, milliseconds));
  process_.kill('SIGKILL');
  await ended;
}

for (const name of ['overlayfs', 'native'] as const) {
  test(`${name}: after kill -9 all that is seen is whole, and what is not seen is cleared`, {
    skip: requires({ mounts: ['overlay'] }),
  }, async t => {
    const seed = readSeed();
    t.diagnostic(`seed ${seed}`);
    const random = createRandom(seed);
    using scratch = createScratch();
    const root = scratch.at('s');
    for (let round = 0; round < 6; round += 1) {
      await killAfter(root, name, random.integer(250));
      await using snapshots = await Snapshots.open(root, await drivers[name].open({ root }));
      const all = [];
      for await (const info of snapshots.walk()) all.push(info);
      const keys = new Set(all.map(({ key }) => key));
      for (const { key, kind, parent } of all) {
        assert.ok(parent === undefined || keys.has(parent), `${key} has its parent ${parent}`);
        if (kind === 'committed') await snapshots.usage(key);
        else assert.ok((await snapshots.mounts(key)).length > 0);
      }
      // The keys of what was under way are free.
      await snapshots.cleanup();
      const places = readdirSync(root).filter(entry => /^\d+$/.test(entry));
      assert.equal(places.length, all.length, `places ${places} of ${all.map(({ key }) => key)}`);
      const next = `round-${round}`;
      await snapshots.prepare(next, undefined);
      await snapshots.commit(`${next}-done`, next);
    }
  });
}

test('what a lost database has left is cleared', { skip: requires({ root: true }) }, async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  mkdirSync(join(root, '17/fs'), { recursive: true });
  writeFileSync(join(root, '17/fs/old'), 'old');
  mkdirSync(join(root, '1/fs'), { recursive: true });
  writeFileSync(join(root, '1/fs/old'), 'old');
  await using snapshots = await Snapshots.open(root, await drivers.native.open({ root }));
  await snapshots.prepare('first', undefined);
  assert.deepEqual(readdirSync(join(root, '1/fs')), []);
  await snapshots.cleanup();
  assert.ok(!existsSync(join(root, '17')));
  assert.ok(existsSync(join(root, '1/fs')));
});
