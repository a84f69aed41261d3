/** A cache that something else has damaged: never a wrong byte out of it, `fsck` finds all, and `--repair` mends all. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../archive/fixture.ts';
import { Cache } from '../registry/cache.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';

interface Report {
  readonly damaged: readonly { readonly kind: string; readonly name: string; readonly action: string }[];
}

async function start() {
  const registry = await startFakeRegistry();
  const cache = new Cache();
  const image = registry.put('app:1', noisyImage([1, 2]));
  const name = `${registry.host}/app:1`;
  const pulled = await cache.json<{ artifact: { path: string } }>(['pull', name]);
  const artifact = pulled.artifact.path;
  return {
    ...{ registry, cache, image, name, artifact, expected: sha256(readFileSync(artifact)) },
    blob: (digest: string) => path.join(cache.root, 'blobs', digest.replace(':', '/')),
    fsck: async (...args: string[]) => {
      const ended = await cache.run(['fsck', '--json', ...args]);
      return { status: ended.status, ...(JSON.parse(ended.stdout.toString()) as Report) };
    },
    [Symbol.asyncDispose]: async () => {
      cache[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = 255 - (bytes[at] ?? 0);
  writeFileSync(file, bytes);
}

test('damaged blobs are never rendered, all of them found, and fetched again', async () => {
  await using here = await start();
  const { cache, registry, image, name, fsck } = here;
  const [one, two] = image.layers.map(({ digest }) => digest) as [string, string];
  flip(here.blob(one), 20_000);
  truncateSync(here.blob(two), 30_000);
  const output = cache.file('out.sqfs');
  rmSync(here.artifact);
  const refused = await cache.run(['render', name, output, '--policy', 'never']);
  assert.ok(refused.status === 8 || refused.status === 4, refused.stderr);
  assert.ok(!existsSync(output));

  const found = await fsck();
  assert.equal(found.status, 8);
  const names = found.damaged.map(damage => damage.name);
  for (const digest of [one, two]) assert.ok(names.includes(digest), `${digest} in ${names}`);

  registry.forget();
  const repaired = await fsck('--repair');
  assert.equal(repaired.status, 0);
  for (const digest of [one, two]) {
    assert.equal(repaired.damaged.find(damage => damage.name === digest)?.action, 'refetched');
    assert.equal(sha256(readFileSync(here.blob(digest))), digest.slice(7));
  }
  const clean = await fsck();
  assert.deepEqual([clean.status, clean.damaged], [0, []]);
  await cache.ok(['render', name, output, '--policy', 'never']);
  assert.equal(sha256(readFileSync(output)), here.expected);
});

test('where the registry may be asked, a damaged blob is fetched again by whoever needs it', async () => {
  await using here = await start();
  const { cache, registry, image, name, fsck } = here;
  const [one, two] = image.layers.map(({ digest }) => digest) as [string, string];
  flip(here.blob(one), 20_000);
  rmSync(here.artifact);
  registry.forget();
  const output = cache.file('out.sqfs');
  await cache.ok(['render', name, output]);
  assert.equal(sha256(readFileSync(output)), here.expected);
  assert.ok(registry.sentOf(one) > 0 && registry.sentOf(two) === 0);
  // The artifact's file is missing still: nobody has pulled.
  assert.deepEqual(
    (await fsck()).damaged.map(({ kind }) => kind),
    ['artifact'],
  );
});

test('looking into an image mends it as well', async () => {
  await using here = await start();
  const { cache, image, name } = here;
  const [one] = image.layers.map(({ digest }) => digest) as [string];
  const indexes = path.join(cache.root, 'layers/sha256');
  for (const name of readdirSync(indexes)) rmSync(path.join(indexes, name));
  flip(here.blob(one), 20_000);
  await cache.ok(['ls', name]);
  assert.equal(sha256(readFileSync(here.blob(one))), one.slice(7));
});

test('a damaged artifact is found, dropped and made again', async () => {
  await using here = await start();
  flip(here.artifact, 30_000);
  const found = await here.fsck();
  assert.equal(found.status, 8);
  assert.equal(found.damaged.length, 1);
  assert.equal((await here.fsck('--repair')).status, 0);
  here.registry.forget();
  const again = await here.cache.json<{ artifact: { path: string; reused: boolean } }>(['pull', here.name]);
  assert.deepEqual(
    [again.artifact.reused, sha256(readFileSync(again.artifact.path))],
    [false, here.expected],
  );
  assert.deepEqual(here.registry.find({ method: 'GET', path: '/blobs/' }), []);
});

for (const [what, harm] of Object.entries({
  lost: (file: string) => rmSync(file),
  damaged: (file: string) => writeFileSync(file, Buffer.alloc(8192, 'no database')),
})) {
  test(`the database is ${what}: the images are still there, and nothing is fetched again`, async () => {
    await using here = await start();
    for (const suffix of ['-wal', '-shm'])
      rmSync(path.join(here.cache.root, `shale.db${suffix}`), { force: true });
    harm(path.join(here.cache.root, 'shale.db'));
    here.registry.forget();
    await here.cache.ok(['pull', here.name]);
    assert.deepEqual(here.registry.find({ method: 'GET', path: '/blobs/' }), []);
    assert.deepEqual((await here.fsck()).damaged, []);
  });
}
