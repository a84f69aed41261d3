import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { unmount } from '../../src/host/index.ts';
import { chooseDriver, driverRoot, mountAll, openDriver, Snapshots } from '../../src/snapshot/index.ts';
import { byteString } from '../../src/tree/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const names = ['a,b', 'a:b', 'a\\b', 'a\nb', 'a b', '"a\'b', 'ä€', '#$(id)', `${'l:,\\'.repeat(60)}`];

for (const name of names) {
  test(`overlayfs in a root called ${JSON.stringify(name)}`, {
    skip: requires({ mounts: ['overlay'] }),
  }, async () => {
    using scratch = createScratch();
    const [root, place] = [scratch.at(name), scratch.at('place')];
    mkdirSync(place);
    assert.equal((await chooseDriver(root)).driver, 'overlayfs');
    const directory = driverRoot(root, 'overlayfs');
    await using snapshots = await Snapshots.open(directory, await openDriver(root, 'overlayfs'));
    for (const [key, parent] of [['one'], ['two', 'one-done'], ['three', 'two-done']] as const) {
      await mountAll(await snapshots.prepare(key, parent), place);
      try {
        writeFileSync(`${place}/${key}`, key);
        if (parent !== undefined) assert.equal(readFileSync(`${place}/one`, 'utf8'), 'one');
      } finally {
        unmount(byteString(place));
      }
      await snapshots.commit(`${key}-done`, key);
    }
    const mounts = await snapshots.prepare('last', 'three-done');
    assert.equal(snapshots.identify(mounts), 'last');
    assert.ok((await snapshots.usage('two-done')).inodes === 2);
  });
}
