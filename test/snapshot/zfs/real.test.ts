/** What the suite does not ask of a driver: what is applied and compared, and being cut short, with the real ZFS. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unmount } from '../../../src/host/index.ts';
import { drivers, mountAll, Snapshots } from '../../../src/snapshot/index.ts';
import { createZpool, requiresZfs } from './zpool.ts';

test('layers go in and changes come out, over and over', { skip: requiresZfs() }, async () => {
  using pool = createZpool();
  const root = join(pool.path, 's');
  const settings = { dataset: pool.dataset };
  assert.deepEqual(await drivers.zfs.probe({ root, settings }), { usable: true });
  await using snapshots = await Snapshots.open(root, await drivers.zfs.open({ root, settings }));
  const { driver } = snapshots;
  const first = { id: 1_000_000, kind: 'active', parents: [] } as const;
  await driver.create(first);
  await driver.create(first);
  {
    await using target = await driver.openTarget(first);
    assert.deepEqual(readdirSync(target.path), []);
    writeFileSync(join(target.path, 'file'), randomBytes(2 ** 20));
    mkdirSync(join(target.path, 'directory'));
  }
  const usage = await driver.commit(first);
  assert.deepEqual(await driver.commit(first), usage);
  assert.ok(usage.size >= 2 ** 20 && usage.size < 2 ** 21, `${usage.size}`);
  const next = { id: 1_000_001, kind: 'active', parents: [1_000_000] } as const;
  await driver.create(next);
  {
    await using target = await driver.openTarget(next);
    writeFileSync(join(target.path, 'more'), 'two');
  }
  const changed = await driver.usage(next);
  assert.equal(changed.inodes, 1);
  assert.ok(changed.size < 2 ** 18, `${changed.size}`);
  {
    await using changes = await driver.openChanges(next);
    assert.ok(changes.kind === 'directories' && changes.older !== undefined);
    assert.deepEqual(readdirSync(changes.older).sort(), ['directory', 'file']);
    assert.equal(readFileSync(join(changes.newer, 'more'), 'utf8'), 'two');
    assert.throws(() => writeFileSync(join(changes.older!, 'x'), ''), { code: 'EROFS' });
  }
  const place = join(pool.path, 'busy');
  mkdirSync(place);
  await mountAll(await driver.mounts(next), place);
  // One that nobody uses zfs(8) would unmount.
  const held = openSync(join(place, 'more'), 'r');
  await assert.rejects(driver.remove(next.id), { code: 'conflict' });
  await assert.rejects(driver.remove(first.id), { code: 'conflict' }, 'it has a clone');
  closeSync(held);
  unmount(place);
  await driver.remove(next.id);
  await driver.remove(next.id);
  await driver.remove(first.id);
  assert.deepEqual(await driver.list!(), []);
});
