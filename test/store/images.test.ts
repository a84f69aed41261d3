import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openImage } from '../../src/archive/index.ts';
import { parsePlatform } from '../../src/oci/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { run } from './process.ts';
import { createSample, put } from './sample.ts';

const nginx = createSample('docker.io/library/nginx:1.27', [1, 2]);
const nginxArm = createSample('docker.io/library/nginx:1.27', [1, 3], { platform: 'linux/arm64' });
const other = createSample('ghcr.io/org/app:1', [1, 4]);

interface Entry {
  readonly digest: string;
  readonly platform: { readonly architecture: string };
  readonly annotations: Readonly<Record<string, string>>;
}
function readIndex(store: Store): readonly Entry[] {
  const text = readFileSync(path.join(store.root, 'index.json'), 'utf8');
  return (JSON.parse(text) as { manifests: Entry[] }).manifests;
}
const names = (store: Store) =>
  readIndex(store).map(({ platform, annotations }) => [
    annotations['org.opencontainers.image.ref.name'],
    platform.architecture,
  ]);
const references = (store: Store) => store.images().map(({ reference }) => reference);

test('what is put is found, by all that names it', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  for (const sample of [nginx, nginxArm, other]) await put(store, sample);
  const [found, foundArm] = store.findImages('nginx:1.27');
  const { pulled, used, size, ...rest } = found!;
  assert.deepEqual(rest, nginx.image);
  assert.ok(Math.abs(Date.now() - pulled.getTime()) < 60_000 && pulled.getTime() === used.getTime());
  assert.equal(
    size,
    [...nginx.blobs.values()].reduce((sum, { length }) => sum + length, 0),
  );
  assert.equal(foundArm?.platform, 'linux/arm64');
  assert.deepEqual(store.findImages('nginx'), []);
  const { manifest, config } = other.image;
  for (const text of [
    'ghcr.io/org/app:1',
    `ghcr.io/org/app@${manifest}`,
    `ghcr.io/org/app:2@${manifest}`,
    manifest,
    manifest.slice(0, 20),
    manifest.slice(7, 19),
    config.slice(7, 19),
  ]) {
    assert.deepEqual(
      store.selectImages(text).map(({ reference }) => reference),
      ['ghcr.io/org/app:1'],
      text,
    );
  }
  assert.deepEqual(store.findImages(`ghcr.io/org/other@${manifest}`), [], 'of another repository');
  assert.equal(store.selectImages('nginx:1.27', { platform: 'arm64' })[0]?.manifest, nginxArm.image.manifest);
  const missing = { code: 'not-found', name: 'StoreError' };
  assert.throws(() => store.selectImages('nginx:1.27', { platform: 'linux/s390x' }), missing);
  assert.throws(() => store.selectImages('nowhere'), missing);
  assert.throws(() => store.selectImages(manifest.slice(7, 10)), missing);
  assert.throws(() => store.selectImages('NO NAME'), { code: 'invalid' });
});

test('digits that fit several images are refused, and all are named', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  await put(store, nginx);
  // Only the table looks at digests here: two manifests with a common start.
  const manifest = `${nginx.image.manifest.slice(0, 20)}${'0'.repeat(51)}`;
  const connection = new DatabaseSync(path.join(store.root, 'shale.db'));
  connection.exec(`INSERT INTO image SELECT 99, 'docker.io/a/b:c', platform, '${manifest}', '${manifest}',
    '${manifest}', description, pulled, used FROM image`);
  connection.close();
  assert.throws(() => store.selectImages(manifest.slice(7, 15)), {
    code: 'invalid',
    hint: /docker\.io\/a\/b:c/,
  });
  assert.equal(store.selectImages(nginx.image.manifest.slice(7, 30)).length, 1);
});

test('index.json has one name for each reference: the platform that was pulled last', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  assert.deepEqual(names(store), []);
  await put(store, nginx);
  await put(store, nginxArm);
  assert.deepEqual(names(store), [
    [undefined, 'amd64'],
    ['docker.io/library/nginx:1.27', 'arm64'],
  ]);
  await put(store, nginx);
  assert.deepEqual(names(store), [
    [undefined, 'arm64'],
    ['docker.io/library/nginx:1.27', 'amd64'],
  ]);
  store.removeImages([nginx.image]);
  assert.deepEqual(names(store), [['docker.io/library/nginx:1.27', 'arm64']]);
});

test('an image whose blobs are not there is not recorded', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  assert.throws(() => store.putImage(nginx.image), { code: 'not-found' });
  assert.deepEqual(store.images(), []);
  await put(store, nginx);
  for (const bad of [{ reference: 'NO' }, { platform: 'a/b/c/d' }]) {
    assert.throws(() => store.putImage({ ...nginx.image, ...bad }), { code: 'invalid' });
  }
  store.putImage({ ...nginx.image, reference: 'nginx', platform: 'x86_64' });
  assert.deepEqual(references(store), ['docker.io/library/nginx:1.27', 'docker.io/library/nginx:latest']);
});

test('a tag is a second name, and takes the name from what had it', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  for (const sample of [nginx, nginxArm, other]) await put(store, sample);
  store.tagImages(store.selectImages('nginx:1.27'), 'ghcr.io/org/app:1');
  assert.deepEqual(
    store.findImages('ghcr.io/org/app:1').map(({ manifest }) => manifest),
    [nginx.image.manifest, nginxArm.image.manifest],
  );
  assert.ok(store.findBlob(other.image.manifest), 'until gc');
  assert.throws(() => store.tagImages(store.images(), `x@${nginx.image.manifest}`), { code: 'invalid' });
  store.tagImages(store.selectImages('nginx:1.27'), 'nginx:1.27');
  assert.equal(store.findImages('nginx:1.27').length, 2);
  const before = store.measureUsage().images[0]!;
  assert.equal(
    before.unique > 0 && before.unique < before.size,
    true,
    'the second name shares it with nobody',
  );
});

test('removing frees what nothing else needs, at once', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  for (const sample of [nginx, other]) await put(store, sample);
  store.tagImages(store.findImages('nginx:1.27'), 'nginx:second');
  assert.equal(store.removeImages(store.findImages('nginx:1.27')).freedBytes, 0);
  const own = [...nginx.blobs].filter(([digest]) => !other.blobs.has(digest));
  const { images, freedBytes } = store.removeImages(store.findImages('nginx:second'));
  assert.deepEqual(
    images.map(({ reference }) => reference),
    ['docker.io/library/nginx:second'],
  );
  assert.equal(
    freedBytes,
    own.reduce((sum, [, { length }]) => sum + length, 0),
  );
  for (const [digest] of nginx.blobs)
    assert.equal(store.findBlob(digest) !== undefined, other.blobs.has(digest));
  assert.deepEqual(store.removeImages([nginx.image]).images, [], 'gone already');
});

test('use is recorded once a minute', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  await put(store, nginx);
  const used = () => store.images()[0]!.used.getTime();
  const first = used();
  store.touchImage(nginx.image);
  assert.equal(used(), first);
  store.putImage({ ...nginx.image, used: new Date(first - 61_000) });
  store.touchImage(nginx.image);
  assert.ok(used() >= first);
});

test('nobody else can look in, and nothing is said on standard error', async () => {
  using scratch = createScratch();
  const ended = await run(scratch.at('root'), 'open');
  assert.deepEqual([ended.status, ended.errors], [0, '']);
  assert.equal(statSync(scratch.at('root')).mode & 0o777, 0o700);
  assert.equal(statSync(scratch.at('root/shale.db')).mode & 0o777, 0o600);
  mkdirSync(scratch.at('open'));
  chmodSync(scratch.at('open'), 0o755);
  using store = await openStore({ root: scratch.at('open') });
  assert.equal(statSync(store.root).mode & 0o777, 0o700);
});

test('a root of any name', async () => {
  using scratch = createScratch();
  const root = scratch.at('a?b=c#d%20e é:f');
  using store = await openStore({ root });
  await put(store, nginx);
  using other = await openStore({ root });
  assert.equal(other.images().length, 1);
  assert.deepEqual((await other.check()).damaged, []);
});

test('a directory that is somebody else’s is left alone', async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('mine'), '');
  await assert.rejects(openStore({ root: scratch.path }), {
    code: 'invalid',
    name: 'StoreError',
    hint: /--root/,
  });
  assert.equal(readFileSync(scratch.at('mine'), 'utf8'), '');
  await assert.rejects(openStore({ root: scratch.at('mine') }), { name: /Error$/, code: /exists|invalid/ });
});

test('ten processes create one cache', async () => {
  using scratch = createScratch();
  const ended = await Promise.all(Array.from({ length: 10 }, () => run(scratch.at('root'), 'open')));
  assert.deepEqual(
    ended.map(({ status, errors }) => [status, errors]),
    ended.map(() => [0, '']),
  );
});

test('ten processes put ten images', async () => {
  using scratch = createScratch();
  const tags = Array.from({ length: 10 }, (_, index) => index + 1);
  const ended = await Promise.all(tags.map(tag => run(scratch.at('root'), 'pull', `0,${tag}`)));
  assert.deepEqual(ended.map(({ errors }) => errors).filter(Boolean), []);
  using store = await openStore({ root: scratch.at('root') });
  assert.equal(new Set(references(store)).size, 10);
  assert.equal(readIndex(store).length, 10);
  assert.deepEqual((await store.check()).damaged, []);
});

test('a database that is lost or damaged is made anew', async t => {
  for (const [what, damage] of Object.entries({
    lost: (file: string) => rmSync(file),
    'no database': (file: string) => writeFileSync(file, 'x'.repeat(5000)),
    empty: (file: string) => writeFileSync(file, ''),
    torn: (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 5000)),
    'of no tables': (file: string) => {
      rmSync(file);
      const connection = new DatabaseSync(file);
      connection.exec('PRAGMA user_version = 1');
      connection.close();
    },
  })) {
    await t.test(what, async () => {
      using scratch = createScratch();
      const root = scratch.at('root');
      const before: unknown[] = [];
      {
        using store = await openStore({ root });
        await put(store, other);
        await put(store, nginxArm);
        await put(store, nginx);
        before.push(...store.images());
      }
      damage(path.join(root, 'shale.db'));
      using store = await openStore({ root });
      assert.deepEqual(withoutUse(store.images()), withoutUse(before));
      assert.deepEqual((await store.check()).damaged, []);
      assert.deepEqual(
        store.collectGarbage().removed.filter(({ kind }) => kind === 'blob'),
        [],
      );
    });
  }
});

const withoutUse = (images: readonly unknown[]) =>
  images.map(image => ({ ...(image as object), used: undefined }));

test('of a damaged blob or an alien entry nothing is taken over', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  {
    using store = await openStore({ root });
    await put(store, nginx);
    await put(store, other);
    rmSync(store.findBlob(nginx.image.layers[1]!.digest)!.path);
  }
  rmSync(path.join(root, 'shale.db'));
  const index = JSON.parse(readFileSync(path.join(root, 'index.json'), 'utf8')) as { manifests: object[] };
  index.manifests.push({ ...index.manifests[0], annotations: {} }, { nonsense: true });
  writeFileSync(path.join(root, 'index.json'), JSON.stringify(index));
  {
    using store = await openStore({ root });
    assert.deepEqual(references(store), ['ghcr.io/org/app:1']);
    assert.deepEqual(
      readIndex(store).map(({ digest }) => digest),
      [other.image.manifest],
    );
  }
  rmSync(path.join(root, 'shale.db'));
  writeFileSync(path.join(root, 'index.json'), '{');
  using store = await openStore({ root });
  assert.deepEqual(references(store), []);
});

test('a newer cache is refused, and left as it is', async () => {
  using scratch = createScratch();
  (await openStore({ root: scratch.at('root') }))[Symbol.dispose]();
  const file = scratch.at('root/shale.db');
  const connection = new DatabaseSync(file);
  connection.exec('PRAGMA user_version = 1000');
  connection.close();
  await assert.rejects(openStore({ root: scratch.at('root') }), { code: 'unsupported', hint: /--root/ });
});

test('skopeo and umoci read it, and so do we', {
  skip: requires({ tools: ['skopeo', 'umoci'] }),
}, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  using store = await openStore({ root });
  for (const sample of [nginxArm, nginx, other]) await put(store, sample);
  store.tagImages(store.findImages('nginx:1.27'), 'localhost:5000/a/b');
  const all = ['docker.io/library/nginx:1.27', 'ghcr.io/org/app:1', 'localhost:5000/a/b:latest'];
  for (const reference of all) {
    const text = execFileSync('skopeo', ['inspect', `oci:${root}:${reference}`], { encoding: 'utf8' });
    const { Digest, Architecture, Layers } = JSON.parse(text) as Record<string, unknown>;
    const found = store.findImages(reference).at(-1)!;
    assert.deepEqual(
      { Digest, Architecture, Layers },
      { Digest: found.manifest, Architecture: 'amd64', Layers: found.layers.map(({ digest }) => digest) },
    );
    await using image = await openImage(`oci:${root}:${reference}`, { host: parsePlatform('linux/amd64') });
    assert.equal(image.manifestDigest, found.manifest);
  }
  const listed = execFileSync('umoci', ['ls', '--layout', root], { encoding: 'utf8' });
  assert.deepEqual(listed.trim().split('\n').sort(), all);
  store.removeImages(store.findImages('nginx:1.27'));
  const left = execFileSync('umoci', ['ls', '--layout', root], { encoding: 'utf8' });
  assert.deepEqual(left.trim().split('\n').sort(), all.slice(1));
});

test('a tag of what somebody removed meanwhile is refused', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  using another = await openStore({ root: scratch.at('root') });
  await put(store, nginx);
  const chosen = store.selectImages('nginx:1.27');
  another.removeImages(chosen);
  assert.throws(() => store.tagImages(chosen, 'other'), { code: 'not-found' });
  assert.deepEqual(store.images(), []);
});
