import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mock, test } from 'node:test';
import { collectUnpacked, measureSnapshots } from '../../../src/engine/snapshot/gc.ts';
import { labels } from '../../../src/engine/snapshot/label.ts';
import {
  cleanSnapshots,
  commitActive,
  listSnapshots,
  prepareSnapshot,
  removeSnapshots,
} from '../../../src/engine/snapshot/manage.ts';
import { type MountRequest, mountImage } from '../../../src/engine/snapshot/mount.ts';
import { findMounted } from '../../../src/engine/snapshot/mounted.ts';
import { openSnapshots } from '../../../src/engine/snapshot/open.ts';
import { umountImage, umountLeft } from '../../../src/engine/snapshot/umount.ts';
import { identifyProcess, listMountsIn, unmount } from '../../../src/host/index.ts';
import { Snapshots } from '../../../src/snapshot/index.ts';
import { byteString } from '../../../src/tree/index.ts';
import { layer, writeImage } from '../../cli/fixture.ts';
import { createScratch } from '../../host/scratch.ts';
import { requires } from '../../requirement.ts';

const skip = requires({ mounts: ['overlay', 'tmpfs'] });

/** A root, an image and directories to mount at; at the end nothing of it is mounted any more. */
async function createBench() {
  const scratch = createScratch();
  const { path } = scratch;
  const root = scratch.at('root');
  const at = (name: string) => {
    mkdirSync(scratch.at(name), { recursive: true });
    return scratch.at(name);
  };
  const image = await writeImage(scratch.at('image'), [
    layer({ './': { mode: 0o711 }, 'etc/': {}, 'etc/old': 'old\n' }),
    layer({ 'etc/new': 'new\n' }),
  ]);
  return {
    ...{ path, root, at, image },
    mount: (place: string, request: MountRequest = {}) =>
      mountImage(image, place, { root, driver: 'overlayfs', ...request }),
    umount: (place: string, request = {}) => umountImage(place, { root, ...request }),
    states: async () => (await findMounted(root)).map(({ state }) => state),
    [Symbol.dispose]() {
      for (const { target } of listMountsIn(path).reverse()) unmount(target, { lazily: true });
      scratch[Symbol.dispose]();
    },
  };
}

const tmpfs = (place: string) => execFileSync('mount', ['-t', 'tmpfs', 'other', place]);

test('what was written stays, also where the directory is a mount of another', { skip }, async () => {
  using bench = await createBench();
  const place = bench.at('place');
  tmpfs(place);
  const { snapshot } = await bench.mount(place);
  writeFileSync(`${place}/mine`, 'mine');
  assert.equal((await bench.umount(place)).changes, 'kept');
  const kept = (await listSnapshots({ root: bench.root })).find(({ key }) => key === snapshot);
  assert.equal(kept?.kind, 'active');
  assert.deepEqual(
    Object.keys(kept.labels).filter(name => name.startsWith('shale.dev/mount.')),
    [labels.mode],
  );
});

test('what another program has mounted at the same place is not taken for ours', { skip }, async () => {
  using bench = await createBench();
  const place = bench.at('place');
  await bench.mount(place);
  unmount(place);
  tmpfs(place);
  writeFileSync(`${place}/theirs`, '');
  assert.deepEqual(await bench.states(), ['left']);
  assert.equal((await umountLeft({ root: bench.root })).length, 1);
  assert.ok(existsSync(`${place}/theirs`));
});

test('what is mounted over ours stays', { skip }, async () => {
  using bench = await createBench();
  const place = bench.at('place');
  await bench.mount(place);
  tmpfs(place);
  await assert.rejects(bench.umount(place), { code: 'conflict', message: /mounted over/ });
  unmount(place);
  await bench.umount(place);
});

test('what is mounted in it is named when it stands in the way', { skip }, async () => {
  using bench = await createBench();
  const place = bench.at('place');
  await bench.mount(place);
  tmpfs(`${place}/etc`);
  await assert.rejects(bench.umount(place), { code: 'conflict', message: /mounted in .*at .*place\/etc$/ });
});

test('a mount that is being made is no leftover, and one that was cut short is', { skip }, async () => {
  using bench = await createBench();
  const place = bench.at('place');
  tmpfs(place);
  await bench.mount(place);
  const { root } = bench;
  const [mounted] = await findMounted(root);
  await using snapshots = await openSnapshots({ root, driver: 'overlayfs' });
  const set = (mounter: object, below?: string) =>
    snapshots.update(mounted!.snapshot, {
      [labels.mount]: undefined,
      [labels.mounter]: JSON.stringify(mounter),
      [labels.below]: below,
    });
  const self = identifyProcess(process.pid)!;
  await set(self);
  assert.deepEqual(await bench.states(), ['mounting']);
  assert.deepEqual(await umountLeft({ root }), []);
  await assert.rejects(bench.umount(place), { code: 'unavailable' });
  await assert.rejects(bench.mount(place), { code: 'exists' });
  await set({ ...self, started: '1' }, 'what was there before');
  assert.deepEqual(await bench.states(), ['mounted']);
  await set({ ...self, boot: 'another' });
  assert.deepEqual(await bench.states(), ['left']);
});

test('of two that mount at one place at once, at most one does', { skip }, async () => {
  using bench = await createBench();
  const place = bench.at('place');
  await bench.mount(bench.at('first'));
  await Promise.allSettled([bench.mount(place), bench.mount(place), bench.mount(place)]);
  assert.ok(listMountsIn(place).length <= 1);
  assert.equal((await findMounted(bench.root)).length, listMountsIn(bench.path).length);
});

test('no two mounts write to one directory, by whatever name', { skip }, async () => {
  using bench = await createBench();
  const upper = { kind: 'directory', path: bench.at('up, a:b\\c') } as const;
  symlinkSync(upper.path, `${bench.path}/link`);
  const second = bench.at('second');
  await bench.mount(bench.at('first'), { upper });
  const refused = { code: 'conflict', message: /written to already/ };
  await assert.rejects(bench.mount(second, { upper }), refused);
  const link = { kind: 'directory', path: `${bench.path}/link` } as const;
  await assert.rejects(bench.mount(second, { upper: link }), refused);
  await assert.rejects(bench.mount(second, { upper, root: bench.at('other-root') }), refused);
  assert.equal((await findMounted(bench.root)).length, 1);
  writeFileSync(`${bench.at('first')}/etc/mine`, 'mine');
  assert.equal((await bench.umount(bench.at('first'))).directory, upper.path);
  // What was written into it before is there again.
  await bench.mount(second, { upper });
  assert.equal(readFileSync(`${second}/etc/mine`, 'utf8'), 'mine');
});

test('an upper directory has the metadata of the root, and nobody else can look into it', {
  skip,
}, async () => {
  using bench = await createBench();
  const [place, path] = [bench.at('place'), bench.at('upper')];
  await bench.mount(place, { upper: { kind: 'directory', path } });
  const mode = (name: string) => statSync(name).mode % 0o10000;
  assert.deepEqual([mode(place), mode(path)], [0o711, 0o700]);
  assert.equal((await bench.umount(place)).changes, 'none');
  const used = bench.at('used');
  writeFileSync(`${used}/file`, '');
  const refused = bench.mount(place, { upper: { kind: 'directory', path: used } });
  await assert.rejects(refused, { code: 'invalid', message: /others can look into/ });
  assert.deepEqual(await bench.states(), []);
  await bench.mount(place, { upper: { kind: 'tmpfs' } });
  assert.equal(mode(place), 0o711);
});

test('places are refused that would hide what is needed to unmount', { skip }, async () => {
  using bench = await createBench();
  for (const place of ['/', bench.path, bench.at('root'), bench.at('root/snapshots/x')]) {
    await assert.rejects(bench.mount(place), { code: 'invalid', message: /nothing can be mounted at/ });
  }
  const place = bench.at('place');
  const upper = { kind: 'directory', path: bench.at('place/upper') } as const;
  await assert.rejects(bench.mount(place, { upper }), { code: 'invalid', message: /would be hidden/ });
});

test('a snapshot that is mounted is neither removed nor committed', { skip }, async () => {
  using bench = await createBench();
  const { root } = bench;
  const place = bench.at('place');
  const { snapshot } = await bench.mount(place, { upper: { kind: 'tmpfs' } });
  const refused = { code: 'conflict', message: /is mounted at/ };
  await assert.rejects(removeSnapshots([snapshot], { root }), refused);
  await assert.rejects(removeSnapshots([place], { root }), refused);
  await assert.rejects(commitActive('done', snapshot, { root }), refused);
  unmount(place);
  // What is left of it goes with it, its tmpfs too.
  assert.deepEqual(await removeSnapshots([snapshot], { root }), [snapshot]);
  assert.deepEqual(listMountsIn(bench.path), []);
});

test('a driver that cannot be used any more keeps nobody from using the others', { skip }, async () => {
  using bench = await createBench();
  const { root } = bench;
  const place = bench.at('place');
  await bench.mount(place);
  // As if the root had been on btrfs once.
  mkdirSync(`${root}/snapshots/btrfs`, { recursive: true });
  await prepareSnapshot('prepare', ['one'], { root, driver: 'native' });
  copyFileSync(`${root}/snapshots/native/metadata.db`, `${root}/snapshots/btrfs/metadata.db`);
  assert.ok((await listSnapshots({ root })).length > 0);
  await bench.umount(place);
  await cleanSnapshots({ root });
  await collectUnpacked(root, []);
});

test('a name is given once, whichever drivers there are, and the driver that was asked for is taken', {
  skip,
}, async () => {
  using bench = await createBench();
  const { root } = bench;
  await prepareSnapshot('prepare', ['one'], { root, driver: 'overlayfs' });
  await assert.rejects(prepareSnapshot('prepare', ['one'], { root, driver: 'native' }), { code: 'exists' });
  await prepareSnapshot('prepare', ['two'], { root, driver: 'native' });
  await assert.rejects(commitActive('one', 'two', { root }), { code: 'exists' });
  await commitActive('done', 'two', { root });
  const made = await prepareSnapshot('prepare', ['three', 'done'], { root });
  assert.equal(made.driver, 'native');
  const { image } = bench;
  await bench.mount(bench.at('place'));
  const [below] = (await listSnapshots({ root })).filter(({ kind }) => kind === 'committed');
  assert.equal(below?.driver, 'overlayfs');
  await assert.rejects(prepareSnapshot('prepare', ['four', below.key], { root, driver: 'native' }));
  const four = await prepareSnapshot('prepare', ['four', image], { root, driver: 'native' });
  assert.equal(four.driver, 'native');
});

test('what a killed process has unpacked of a layer goes with the next clearing up', { skip }, async () => {
  using bench = await createBench();
  const { root } = bench;
  await using snapshots = await openSnapshots({ root, driver: 'overlayfs' });
  const self = identifyProcess(process.pid)!;
  const prepare = (key: string, by: object) =>
    snapshots.prepare(key, undefined, { labels: { [labels.unpacker]: JSON.stringify(by) } });
  for (const round of ['mount', 'clean', 'gc']) {
    await prepare(`running ${round}`, self);
    await prepare(`killed ${round}`, { ...self, started: '1' });
    if (round === 'mount') await bench.mount(bench.at('place'));
    else if (round === 'clean') await cleanSnapshots({ root });
    else await collectUnpacked(root, []);
    const keys = (await listSnapshots({ root })).map(({ key }) => key);
    assert.ok(keys.includes(`running ${round}`) && !keys.includes(`killed ${round}`));
  }
});

test('several processes clear up at once', { skip }, async () => {
  using bench = await createBench();
  const { root } = bench;
  for (const name of ['one', 'two', 'three', 'four', 'five', 'six']) {
    const place = bench.at(name);
    await bench.mount(place);
    if (name < 'p') writeFileSync(`${place}/mine`, 'mine');
    unmount(byteString(place));
  }
  await Promise.all(Array.from({ length: 4 }, () => umountLeft({ root })));
  assert.deepEqual(await findMounted(root), []);
  const kept = (await listSnapshots({ root })).filter(({ kind }) => kind === 'active');
  assert.equal(kept.length, 3);
});

test('snapshots that go while they are measured count for nothing', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  await using snapshots = await openSnapshots({ root, driver: 'native' });
  for (const key of ['one', 'two', 'three']) await snapshots.prepare(key, undefined);
  const { usage } = Snapshots.prototype;
  const { driver } = snapshots;
  const measured = driver.usage.bind(driver);
  driver.usage = async described => {
    await snapshots.remove('one');
    return await measured(described);
  };
  await assert.rejects(snapshots.usage('one'), { code: 'not-found' });
  // Gone between the list and the question.
  const other = mock.method(Snapshots.prototype, 'usage', async function (this: Snapshots, key: string) {
    if (key === 'two') await this.remove(key);
    return await usage.call(this, key);
  });
  assert.equal((await measureSnapshots(root, [])).count, 1);
  other.mock.restore();
});
