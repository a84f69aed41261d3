/** What the settings of overlayfs do, as the kernel has it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { findMount, unmount } from '../../src/host/index.ts';
import { listChanges, readUpper, writeChangesLayer } from '../../src/layer/index.ts';
import { drivers, type Mount, mountAll, Snapshots } from '../../src/snapshot/index.ts';
import { createScratch } from '../host/scratch.ts';
import { isBeforeLinux, requires } from '../requirement.ts';

const skip = requires({ mounts: ['overlay'], tools: ['getfattr', 'tar'] });

test('metacopy=on: a change of mode copies no data, and its layer has the content all the same', {
  skip,
}, async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  const driver = await drivers.overlayfs.open({ root, settings: { metacopy: 'on' } });
  await using snapshots = await Snapshots.open(root, driver);
  const place = scratch.at('place');
  mkdirSync(place);
  const at = async (key: string, parent: string | undefined, work: () => void) => {
    await mountAll(await snapshots.prepare(key, parent), place);
    try {
      assert.equal(/metacopy=on/.test(findMount(place)!.options), parent !== undefined);
      work();
    } finally {
      unmount(place);
    }
  };
  await at('one', undefined, () =>
    writeFileSync(join(place, 'large'), 'x'.repeat(1_000_000), { mode: 0o644 }),
  );
  await snapshots.commit('base', 'one');
  await at('two', 'base', () => chmodSync(join(place, 'large'), 0o600));
  await using changes = await snapshots.openChanges('two');
  assert.ok(changes.kind === 'upper');
  const copied = join(changes.path, 'large');
  assert.match(
    execFileSync('getfattr', ['-d', '-m', '-', copied], { encoding: 'utf8' }),
    /trusted\.overlay\.metacopy/,
  );
  assert.ok(statSync(copied).blocks * 512 < 100_000, 'no data was copied');
  const listed: (readonly [string, string])[] = [];
  for await (const { kind, path } of listChanges(readUpper(changes))) listed.push([kind, path]);
  assert.deepEqual(listed, [['changed', 'large']]);
  const layer = await writeChangesLayer(readUpper(changes), scratch.at('layer.tar'), { compression: 'none' });
  const content = execFileSync('tar', ['xOf', layer.path, 'large'], { encoding: 'utf8', maxBuffer: 2 ** 24 });
  assert.equal(content, 'x'.repeat(1_000_000));
});

test('what was prepared with a setting, and what is on top of it, is mounted with it by all that come later', {
  skip,
}, async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  const place = scratch.at('place');
  mkdirSync(place);
  const open = async (settings: Readonly<Record<string, string>> = {}) =>
    await Snapshots.open(root, await drivers.overlayfs.open({ root, settings }));
  const at = async (mounts: readonly Mount[], work: () => void) => {
    await mountAll(mounts, place);
    try {
      work();
    } finally {
      unmount(place);
    }
  };
  const content = 'x'.repeat(100_000);
  for (const [index, name] of (['metacopy', 'redirect_dir'] as const).entries()) {
    const [base, changed] = [`base-${index}`, `changed-${index}`];
    {
      await using snapshots = await open();
      await at(await snapshots.prepare('one', undefined), () => {
        mkdirSync(join(place, 'directory'));
        writeFileSync(join(place, 'directory', 'file'), content, { mode: 0o644 });
      });
      await snapshots.commit(base, 'one');
    }
    {
      await using snapshots = await open({ [name]: 'on', volatile: 'on' });
      await snapshots.prepare('two', base);
      const labels = { 'containerd.io/snapshot.ref': 'a layer' };
      const [mount] = await snapshots.prepare('layer', base, { labels });
      assert.ok(mount!.options.includes('metacopy=off') && mount!.options.includes('volatile'));
      await snapshots.remove('layer');
    }
    await using snapshots = await open();
    await at(await snapshots.mounts('two'), () => {
      assert.match(findMount(place)!.options, new RegExp(`${name}=on.*volatile|volatile.*${name}=on`));
      if (name === 'metacopy') chmodSync(join(place, 'directory', 'file'), 0o600);
      else renameSync(join(place, 'directory'), join(place, 'moved'));
    });
    await snapshots.commit(changed, 'two');
    const file = join(place, name === 'metacopy' ? 'directory' : 'moved', 'file');
    for (const key of ['view', 'three'] as const) {
      const mounts = await (key === 'view' ? snapshots.view(key, changed) : snapshots.prepare(key, changed));
      assert.ok(!mounts[0]!.options.includes('volatile'));
      await at(mounts, () => assert.equal(readFileSync(file, 'utf8'), content));
      await snapshots.remove(key);
    }
    const others = await snapshots.prepare('beside', base);
    assert.ok(
      others[0]!.options.includes('metacopy=off') && others[0]!.options.includes('redirect_dir=nofollow'),
    );
    await snapshots.remove('beside');
  }
});

test('without settings, a directory of a lower layer is not renamed but copied by whoever renames it', {
  skip,
}, async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  await using snapshots = await Snapshots.open(root, await drivers.overlayfs.open({ root }));
  const place = scratch.at('place');
  mkdirSync(place);
  await mountAll(await snapshots.prepare('one', undefined), place);
  mkdirSync(join(place, 'directory'));
  unmount(place);
  await snapshots.commit('base', 'one');
  await mountAll(await snapshots.prepare('two', 'base'), place);
  try {
    assert.throws(() => renameSync(join(place, 'directory'), join(place, 'moved')), { code: 'EXDEV' });
  } finally {
    unmount(place);
  }
});

test('what the kernel would not believe in a user namespace is refused', { skip }, async () => {
  using scratch = createScratch();
  const settings = { userxattr: 'on', metacopy: 'on' };
  await assert.rejects(drivers.overlayfs.open({ root: scratch.at('s'), settings }), (error: unknown) => {
    return error instanceof ShaleError && error.code === 'unsupported' && /metacopy/.test(error.message);
  });
});

test('with any setting, a directory of a layer that was made alone hides nothing of the parent that it is put onto', {
  skip: skip || isBeforeLinux('5.14'),
}, async () => {
  for (const name of ['metacopy', 'redirect_dir'] as const) {
    using scratch = createScratch();
    const root = scratch.at('s');
    const driver = await drivers.overlayfs.open({ root, settings: { [name]: 'on' } });
    await using snapshots = await Snapshots.open(root, driver);
    const place = scratch.at('place');
    mkdirSync(place);
    for (const file of ['lower', 'upper']) {
      await mountAll(await snapshots.prepare(`make-${file}`, undefined), place);
      try {
        mkdirSync(join(place, 'directory'));
        writeFileSync(join(place, 'directory', file), '');
      } finally {
        unmount(place);
      }
    }
    await snapshots.commit('base', 'make-lower');
    await snapshots.commit('both', 'make-upper', { parent: 'base' });
    await mountAll(await snapshots.view('view', 'both'), place);
    try {
      assert.deepEqual(readdirSync(join(place, 'directory')).sort(), ['lower', 'upper'], name);
    } finally {
      unmount(place);
    }
  }
});
