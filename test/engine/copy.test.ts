import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type CopyOptions, copy } from '../../src/engine/copy.ts';
import type { ProgressEvent } from '../../src/engine/options.ts';
import { pull } from '../../src/engine/pull.ts';
import { push } from '../../src/engine/push.ts';
import { ShaleError } from '../../src/error/index.ts';
import { mediaTypes } from '../../src/oci/index.ts';
import { openStore } from '../../src/store/index.ts';
import { type Fields, Files, sha256 } from '../archive/fixture.ts';
import { shaleError } from '../oci/throws.ts';
import { type FakeRegistry, startFakeRegistry } from '../registry/fake.ts';
import { noise } from '../registry/image.ts';
import { Scratch } from './scratch.ts';

const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } });
const named = (name: string) => ({ annotations: { 'org.opencontainers.image.ref.name': name } });

/** Two platforms and an attestation, with a layer that both have; layers of some size, so that they come in pieces. */
function makeIndex(seed = 1): Files & { root: string; amd64: string; arm64: string } {
  const files = new Files();
  const shared = noise(300_000, seed).toString('latin1');
  const amd64 = files.image([shared, `amd64 ${seed}`], platform('amd64'));
  const arm64 = files.image([shared, `arm64 ${seed}`], {
    config: { architecture: 'arm64' },
    ...platform('arm64'),
  });
  const attestation = files.image(['proof'], {
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  });
  const root = files.index([amd64, arm64, attestation], named('many'));
  files.layout(root, { ...amd64, ...named('one') });
  return Object.assign(files, { root: root.digest, amd64: amd64.digest, arm64: arm64.digest });
}

/** A scratch directory with a cache in it, and copies that use them. */
class Place extends Scratch {
  readonly root = this.file('cache');
  readonly options = { root: this.root, authFile: this.file('auth.json'), platform: 'linux/amd64' };

  constructor() {
    super();
    writeFileSync(this.options.authFile, '{}');
  }

  copy(source: string, target: string, options: CopyOptions = {}) {
    return copy(source, target, { ...this.options, ...options });
  }

  push(image: string, target?: string, options: CopyOptions = {}) {
    return push(image, target, { ...this.options, ...options });
  }

  async layout(files: Files): Promise<string> {
    await files.writeDirectory(this.file('layout'));
    return `oci:${this.file('layout')}`;
  }
}

/** Everything that the image of that digest consists of is in the repository. */
function assertWhole({ contents }: FakeRegistry, repository: string, files: Files, digest: string): void {
  const { manifests, blobs } = contents.repository(repository);
  const visit = (digest: string) => {
    const document = JSON.parse(String(files.map.get(`blobs/${digest.replace(':', '/')}`))) as Record<
      string,
      Fields[]
    >;
    assert.equal(`sha256:${sha256(manifests.get(digest)!.bytes)}`, digest);
    for (const child of document.manifests ?? []) visit(String(child.digest));
    for (const blob of [document.config, ...(document.layers ?? [])].flat()) {
      if (blob === undefined) continue;
      assert.ok(blobs.has(String(blob.digest)), `${blob.digest} in ${repository}`);
      assert.equal(`sha256:${sha256(contents.blobs.get(String(blob.digest))!)}`, blob.digest);
    }
  };
  visit(digest);
}

test('around all transports with all platforms, the index keeps its digest', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const all = { allPlatforms: true };
  const way = [
    `${await place.layout(files)}:many`,
    `docker://${registry.host}/a/many:1`,
    `oci-archive:${place.file('many.tar')}`,
    'cache:example.org/many:1',
    `${registry.host}/b/many`,
    `oci:${place.file('last')}:x`,
  ];
  for (const [at, target] of way.entries()) {
    if (at === 0) continue;
    const result = await place.copy(way[at - 1]!, target, all);
    assert.equal(result.digest, files.root, target);
    assert.equal(result.blobs.length, new Set(result.blobs.map(({ digest }) => digest)).size);
  }
  assertWhole(registry, 'a/many', files, files.root);
  assertWhole(registry, 'b/many', files, files.root);
  assert.equal(registry.contents.repository('b/many').tags.get('latest'), files.root);
  using store = await openStore({ root: place.root });
  const images = store.findImages('example.org/many:1');
  assert.deepEqual(
    images.map(({ platform, manifest, target }) => [platform, manifest, target]),
    [
      ['linux/amd64', files.amd64, files.root],
      ['linux/arm64', files.arm64, files.root],
    ],
  );
  // What was copied last can be read without what came before.
  assert.equal((await place.copy('cache:example.org/many:1', `oci:${place.file('y')}`)).digest, files.amd64);
  const arm = { platform: 'linux/arm64' };
  assert.equal(
    (await place.copy('cache:example.org/many:1', `oci:${place.file('z')}`, arm)).digest,
    files.arm64,
  );
});

test('one platform of an index is copied alone; one that is not there is not found', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const source = `${await place.layout(files)}:many`;
  const target = `docker://${registry.host}/one:1`;
  assert.equal((await place.copy(source, target, { platform: 'linux/arm64' })).digest, files.arm64);
  assert.deepEqual([...registry.contents.repository('one').manifests.keys()], [files.arm64]);
  const s390x = { platform: 'linux/s390x' };
  await assert.rejects(
    place.copy(source, target, s390x),
    shaleError('not-found', /nothing for linux\/s390x/),
  );
  // A manifest alone says its platform in its config.
  await assert.rejects(
    place.copy(target, `oci:${place.file('x')}`),
    shaleError('not-found', /only for linux\/arm64/),
  );
  assert.ok(!existsSync(place.file('x')));
  const index = await place.copy(source, 'cache:app');
  assert.equal(index.digest, files.amd64);
  await place.copy('cache:app', `oci:${place.file('x')}`, { allPlatforms: true });
});

test('a body that breaks is asked for again from there, be there ranges or not', async () => {
  for (const ranges of [true, false]) {
    using place = new Place();
    await using registry = await startFakeRegistry({ ranges });
    const files = makeIndex();
    const { layers, digest } = registry.put('app:1', files);
    const victim = layers[0]!;
    registry.on({ method: 'GET', path: victim.digest, nth: 1 }, { resetAfter: 100_000 });
    registry.on({ method: 'GET', path: victim.digest, nth: 1 }, { closeAfter: ranges ? 70_000 : 170_000 });
    const retries: ProgressEvent[] = [];
    const result = await place.copy(`${registry.host}/app:1`, `oci-archive:${place.file('app.tar')}`, {
      allPlatforms: true,
      onProgress: event => event.type === 'retry' && retries.push(event),
    });
    assert.equal(result.digest, digest);
    assert.equal(retries.length, 2);
    const sent = registry.sentOf(victim.digest);
    if (ranges) assert.ok(sent < victim.size + 200_000, `${sent} bytes of ${victim.size}`);
    await place.copy(`oci-archive:${place.file('app.tar')}`, `oci:${place.file('proof')}`, {
      allPlatforms: true,
    });
  }
});

test('a body that never comes whole ends the copy, and leaves nothing', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const { layers } = registry.put('app:1', makeIndex());
  registry.on({ method: 'GET', path: layers[0]!.digest }, { resetAfter: 0 });
  const source = `${registry.host}/app:1`;
  const failed = (error: unknown) => {
    assert.ok(error instanceof ShaleError);
    assert.deepEqual([error.code, error.detail.side], ['unavailable', 'source']);
    return true;
  };
  place.directory('out');
  await assert.rejects(
    place.copy(source, `oci-archive:${place.file('out/app.tar')}`, { retries: 1 }),
    failed,
  );
  assert.deepEqual(readdirSync(place.file('out')), []);
});

test('wrong bytes reach no target', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const { layers } = registry.put('app:1', files);
  const victim = layers[0]!.digest;
  registry.on({ method: 'GET', path: victim }, { corruptAt: 1000 });
  place.directory('out');
  const source = `${registry.host}/app:1`;
  for (const target of [
    `oci-archive:${place.file('out/app.tar')}`,
    `docker-archive:${place.file('out/app.tar')}`,
    `oci:${place.file('out')}:x`,
    'cache:app:1',
    `${registry.host}/copy:1`,
  ]) {
    // A sister of the same registry would be mounted, and nothing read.
    registry.on(
      { method: 'POST', path: '/uploads/' },
      { status: 202, headers: { location: '/v2/copy/blobs/uploads/x' } },
    );
    await assert.rejects(place.copy(source, target, { retries: 0 }), (error: unknown) => {
      assert.ok(error instanceof ShaleError, String(error));
      assert.deepEqual([error.code, error.detail.side], ['corrupt', 'source'], `${target}: ${error.message}`);
      return true;
    });
    registry.heal();
    registry.on({ method: 'GET', path: victim }, { corruptAt: 1000 });
  }
  assert.deepEqual(readdirSync(place.file('out')), ['blobs']);
  assert.ok(!readdirSync(place.file('out/blobs/sha256')).includes(victim.slice(7)));
  assert.equal(registry.contents.repository('copy').manifests.size, 0);
  using store = await openStore({ root: place.root });
  assert.deepEqual([store.images().length, store.findBlob(victim as never)], [0, undefined]);
  // What was wrong is not gone on with.
  registry.heal();
  await place.copy(source, 'cache:app:1');
});

test('within one registry, blobs are mounted and nothing is sent', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const { digest } = registry.put('team/app:1', files);
  registry.forget();
  const all = { allPlatforms: true };
  const result = await place.copy(`${registry.host}/team/app:1`, `${registry.host}/team/sister:2`, all);
  assert.deepEqual(new Set(result.blobs.map(({ how }) => how)), new Set(['mounted']));
  assert.equal(result.bytes, 0);
  assert.deepEqual(registry.find({ method: 'GET', path: '/blobs/' }), []);
  assertWhole(registry, 'team/sister', files, digest);
  const retagged = await place.copy(`${registry.host}/team/app:1`, `${registry.host}/team/app:2`, all);
  assert.deepEqual(new Set(retagged.blobs.map(({ how }) => how)), new Set(['exists']));
  assert.equal(registry.contents.repository('team/app').tags.get('2'), digest);
});

test('referrers come along when asked for, with a referrers API and without', async () => {
  for (const referrers of [true, false]) {
    using place = new Place();
    await using registry = await startFakeRegistry({ referrers });
    const files = new Files();
    const image = files.image(['x'], named('a'));
    const signature = files.image(['signature'], {
      manifest: {
        artifactType: 'application/x.signature',
        subject: { mediaType: image.mediaType, digest: image.digest, size: image.size },
      },
    });
    files.layout(image, signature);
    const source = `${await place.layout(files)}:a`;
    await place.copy(source, `${registry.host}/without:1`);
    assert.ok(!registry.contents.repository('without').manifests.has(signature.digest));
    await place.copy(source, `${registry.host}/with:1`, { referrers: true });
    assert.ok(registry.contents.repository('with').manifests.has(signature.digest));
    await place.copy(`${registry.host}/with:1`, `oci:${place.file('back')}:b`, { referrers: true });
    const { manifests } = JSON.parse(readFileSync(place.file('back/index.json'), 'utf8')) as {
      manifests: Fields[];
    };
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      [image.digest, signature.digest],
      `referrers API: ${referrers}`,
    );
  }
});

test('push uploads what the cache has, and pulls nothing', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const name = `${registry.host}/team/app:1`;
  await assert.rejects(place.push(name), shaleError('not-found', /the cache has no image.*shale pull/));
  assert.equal(registry.requests.length, 0);
  await place.copy(`${await place.layout(files)}:many`, `cache:${name}`, { allPlatforms: true });
  const own = await place.push(name);
  assert.deepEqual([own.reference, own.digest], [name, files.amd64]);
  assert.equal(registry.contents.repository('team/app').tags.get('1'), files.amd64);
  const other = await place.push(name, `${registry.host}/other`, { allPlatforms: true });
  assert.deepEqual([other.reference, other.digest], [`${registry.host}/other:latest`, files.root]);
  assertWhole(registry, 'other', files, files.root);
  const source = `oci:${place.file('layout')}:one`;
  await assert.rejects(place.push(source), shaleError('invalid', /say where it goes/));
  await assert.rejects(place.push(name, `oci:${place.file('x')}`), shaleError('invalid', /shale copy/));
  assert.equal((await place.push(source, `${registry.host}/one`)).digest, files.amd64);
});

test('a pulled image is pushed whole; of its index only what was pulled is there', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const name = `${registry.host}/team/app:1`;
  registry.put('team/app:1', files);
  await pull(name, { ...place.options, format: 'none' });
  registry.forget();
  const { digest, blobs } = await place.push(name, `${registry.host}/team/sister:1`);
  assert.deepEqual([digest, new Set(blobs.map(({ how }) => how))], [files.amd64, new Set(['mounted'])]);
  assert.deepEqual(registry.find({ method: 'GET', path: '/blobs/' }), []);
  const all = { allPlatforms: true };
  await assert.rejects(
    place.copy(`cache:${name}`, `oci:${place.file('all')}`, all),
    shaleError('not-found', /cannot read the source cache:.*one platform only/),
  );
});

test('a target that names another digest is refused, before anything is sent', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  const source = `${await place.layout(files)}:one`;
  for (const target of [`${registry.host}/x@${files.root}`, `cache:x@${files.root}`]) {
    await assert.rejects(place.copy(source, target), shaleError('invalid', /has the digest/));
  }
  assert.equal(registry.requests.length, 0);
  await place.copy(source, `${registry.host}/x@${files.amd64}`);
  assert.deepEqual([...registry.contents.repository('x').manifests.keys()], [files.amd64]);
  assert.equal(registry.contents.repository('x').tags.size, 0);
});

test('what lies here and has no prefix is not looked for in a registry', async () => {
  using place = new Place();
  const files = makeIndex();
  await place.layout(files);
  writeFileSync(place.file('image'), 'x');
  const before = process.cwd();
  process.chdir(place.path);
  try {
    await assert.rejects(place.copy('layout', 'cache:x'), shaleError('invalid', /did you mean oci:layout\?/));
    await assert.rejects(place.copy('image', 'cache:x'), shaleError('invalid', /oci-archive:image/));
  } finally {
    process.chdir(before);
  }
});

test('what is no image can be copied, but not into the cache or a docker-archive', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = new Files();
  const chart = files.blob('application/vnd.cncf.helm.chart.content.v1.tar+gzip', Buffer.from('chart'));
  const config = files.blob('application/vnd.cncf.helm.config.v1+json', {});
  const manifest = files.blob(
    mediaTypes.manifest,
    { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [chart] },
    named('chart'),
  );
  const source = `${await place.layout(files.layout(manifest))}:chart`;
  const target = `${registry.host}/chart:1`;
  const { platform: _, ...any } = { ...place.options };
  assert.equal((await copy(source, target, any)).digest, manifest.digest);
  await copy(target, `oci-archive:${place.file('chart.tar')}`, any);
  await assert.rejects(copy(target, 'cache:chart', any), shaleError('unsupported', /no container image/));
  await assert.rejects(
    copy(target, `docker-archive:${place.file('x.tar')}`, any),
    shaleError('unsupported', /not a container image/),
  );
});

test('progress says of each blob how far it is and how it came; an abort ends the copy and leaves no file', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const files = makeIndex();
  registry.put('app:1', files);
  const target = `oci:${place.file('out')}`;
  const events: ProgressEvent[] = [];
  const onProgress = (event: ProgressEvent) => events.push(event);
  const { blobs, bytes } = await place.copy(`${registry.host}/app:1`, target, { onProgress });
  for (const { digest, size } of blobs) {
    const own = events.filter(event => event.type === 'blob' && event.digest === digest);
    assert.deepEqual(own.at(-1), { type: 'blob', digest, done: size, size, how: 'copied' });
  }
  assert.equal(
    bytes,
    blobs.reduce((sum, { size }) => sum + size, 0),
  );
  assert.deepEqual(events.at(-1), { type: 'finish' });
  const again = await place.copy(`${registry.host}/app:1`, target);
  assert.deepEqual([again.bytes, new Set(again.blobs.map(({ how }) => how))], [0, new Set(['exists'])]);

  const abort = new AbortController();
  const { digest } = blobs.find(({ size }) => size > 1000)!;
  registry.on({ method: 'GET', path: digest }, { silentAfter: 200_000 });
  const copying = place.copy(`${registry.host}/app:1`, `oci-archive:${place.file('app.tar')}`, {
    signal: abort.signal,
    onProgress: event => event.type === 'blob' && event.digest === digest && abort.abort(),
  });
  await assert.rejects(copying, shaleError('cancelled'));
  assert.deepEqual(
    readdirSync(place.path).filter(name => name.includes('app.tar')),
    [],
  );
});

test('copies into one cache at the same time share what they bring', async () => {
  using place = new Place();
  await using registry = await startFakeRegistry();
  const { layers } = registry.put('app:1', makeIndex());
  const names = ['a', 'b', 'c', 'd'].map(name => `cache:example.org/${name}:1`);
  const results = await Promise.all(names.map(name => place.copy(`${registry.host}/app:1`, name)));
  const copied = results.flatMap(({ blobs }) => blobs.filter(({ how }) => how === 'copied'));
  assert.deepEqual(
    copied.map(({ digest }) => digest).sort(),
    results[0]!.blobs.map(({ digest }) => digest).sort(),
  );
  assert.equal(registry.sentOf(layers[0]!.digest), layers[0]!.size);
  using store = await openStore({ root: place.root });
  assert.equal(store.images().length, 4);
  assert.ok(existsSync(path.join(place.root, 'index.json')));
});

test('of two images for one platform the cache names the first, as a pull chooses it', async () => {
  using place = new Place();
  const files = new Files();
  const [first, second] = [files.image(['one'], platform('amd64')), files.image(['two'], platform('amd64'))];
  files.layout(files.index([first, second], named('both')));
  await place.copy(`${await place.layout(files)}:both`, 'cache:app', { allPlatforms: true });
  using store = await openStore({ root: place.root });
  assert.deepEqual(
    store.findImages('app').map(({ manifest }) => manifest),
    [first.digest],
  );
});
