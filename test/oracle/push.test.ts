/** Images on their way out: `shale push` and `shale copy` between all transports, judged by skopeo. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { mediaTypes } from '../../src/oci/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { Cache } from '../registry/cache.ts';
import { startFakeRegistry, startTokenServer } from '../registry/fake.ts';
import { multiPlatform, noisyImage, pushImage, skopeo } from '../registry/image.ts';
import { realRegistry, startRegistry } from '../registry/real.ts';
import { requires } from '../requirement.ts';

interface Pushed {
  readonly digest: string;
  readonly blobs: readonly { readonly digest: string; readonly how: string }[];
}

const inspect = async (...args: string[]) => (await skopeo('inspect', '-f', '{{.Digest}}', ...args)).trim();

for (const kind of [{}, { auth: 'htpasswd' }, { auth: 'token', tls: true }] as const) {
  test(`what was pulled is pushed to docker-registry ${JSON.stringify(kind)}, and skopeo finds the same`, {
    skip: requires(realRegistry),
  }, async () => {
    await using from = await startRegistry();
    await using to = await startRegistry(kind);
    using cache = new Cache();
    const reference = await pushImage(from, 'team/app:1', noisyImage([1, 2]));
    const digest = await inspect(...from.skopeo(), `docker://${reference}`);
    await cache.ok(['pull', reference, '--format', 'none']);
    await from[Symbol.asyncDispose]();

    const target = `${to.host}/other/name:2`;
    const push = () => cache.json<Pushed>(['push', reference, target, ...Cache.access(to)]);
    const pushed = await push();
    assert.equal(pushed.digest, digest);
    assert.deepEqual(new Set(pushed.blobs.map(({ how }) => how)), new Set(['pushed']));
    assert.equal(await inspect(...to.skopeo(), `docker://${target}`), digest);
    await skopeo('copy', '-q', ...to.skopeo('src-'), `docker://${target}`, `dir:${cache.file('all')}`);

    const again = await push();
    assert.deepEqual(new Set(again.blobs.map(({ how }) => how)), new Set(['exists']));
  });
}

test('a tagged image is pushed under its new name, and blobs of a sister repository are mounted', async () => {
  await using tokens = await startTokenServer({ users: { me: 'secret' } });
  await using registry = await startFakeRegistry({ auth: { kind: 'bearer', server: tokens } });
  using cache = new Cache();
  const image = registry.put('team/app:1', noisyImage([1, 2]));
  const auth = Buffer.from('me:secret').toString('base64');
  writeFileSync(cache.file('auth.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
  const access = ['--authfile', cache.file('auth.json')];
  const [old, name] = [`${registry.host}/team/app:1`, `${registry.host}/team/sister:2`];
  await cache.ok(['pull', old, '--format', 'none', ...access]);
  await cache.ok(['tag', old, name]);
  registry.forget();

  const pushed = await cache.json<Pushed>(['push', name, ...access]);
  assert.equal(pushed.digest, image.manifest.digest);
  assert.deepEqual(new Set(pushed.blobs.map(({ how }) => how)), new Set(['mounted']));
  assert.deepEqual(
    [...registry.find({ method: 'PATCH' }), ...registry.find({ path: '/uploads/', method: 'PUT' })],
    [],
  );
  const mounts = registry.find({ method: 'POST', path: '/v2/team/sister/blobs/uploads/' });
  assert.deepEqual(new Set(mounts.map(({ query }) => query.get('from'))), new Set(['team/app']));
  assert.equal(registry.contents.repository('team/sister').tags.get('2'), image.manifest.digest);
});

test('an upload that breaks is made anew', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const files = noisyImage([1], { size: 300_000 });
  await files.writeDirectory(cache.file('layout'));
  const reset = registry.on(
    { method: 'PUT', path: '/blobs/uploads/', nth: 1 },
    { resetRequestAfter: 100_000 },
  );
  const patch = registry.on(
    { method: 'PATCH', path: '/blobs/uploads/', nth: 1 },
    { resetRequestAfter: 100_000 },
  );
  registry.on(
    { method: 'PUT', path: '/manifests/', nth: 1 },
    { status: 503, headers: { 'retry-after': '0' } },
  );
  const pushed = await cache.json<Pushed>(['push', `oci:${cache.file('layout')}`, `${registry.host}/app:1`]);
  assert.ok(reset.hits + patch.hits > 0);
  assert.equal(registry.contents.repository('app').tags.get('1'), pushed.digest);
});

test('copied around all transports, an image keeps its digests', {
  skip: requires(realRegistry),
}, async () => {
  await using registry = await startRegistry({ auth: 'htpasswd' });
  using cache = new Cache();
  const reference = await pushImage(registry, 'team/app:1', noisyImage([1, 2]));
  const digest = await inspect(...registry.skopeo(), `docker://${reference}`);
  const [layout, archive] = [`oci:${cache.file('copy')}:some`, `oci-archive:${cache.file('copy.tar')}:some`];
  const [kept, back] = ['cache:example.org/kept:1', `docker://${registry.host}/back/again:2`];
  const way = [`docker://${reference}`, layout, archive, kept, back];
  for (const [at, target] of way.entries()) {
    if (at > 0) await cache.ok(['copy', `${way[at - 1]}`, target, ...Cache.access(registry)]);
  }
  for (const source of [layout, archive, `oci:${cache.root}:example.org/kept:1`]) {
    assert.equal(await inspect(source), digest, source);
    await skopeo('copy', '-q', '--preserve-digests', source, `dir:${cache.file(sha256(source))}`);
  }
  assert.equal(await inspect(...registry.skopeo(), back), digest);

  // A docker archive has tars, not blobs: what remains is the config, by which docker names images.
  const saved = `docker-archive:${cache.file('saved.tar')}`;
  await cache.ok(['copy', layout, `${saved}:example.org/saved:3`]);
  const config = (source: string) => skopeo('inspect', '--config', '--raw', source);
  assert.equal(sha256(await config(saved)), sha256(await config(layout)));
  await skopeo('copy', '-q', saved, `dir:${cache.file('from-saved')}`);
  const [one, other] = [cache.file('one.sqfs'), cache.file('other.sqfs')];
  await cache.ok(['render', layout, one]);
  await cache.ok(['render', saved, other]);
  assert.deepEqual(readFileSync(other), readFileSync(one));
});

test('all platforms of an index are copied, or the one that is asked for', {
  skip: requires(realRegistry),
}, async () => {
  await using registry = await startRegistry();
  using cache = new Cache();
  const { files, index, arm } = multiPlatform();
  await files.writeDirectory(cache.file('layout'));
  const source = `oci:${cache.file('layout')}:many`;
  assert.equal(index.mediaType, mediaTypes.index);

  const [all, one] = [`docker://${registry.host}/all:1`, `docker://${registry.host}/one:1`];
  await cache.ok(['copy', source, all, '--all-platforms']);
  assert.equal(sha256(await skopeo('inspect', '--raw', '--tls-verify=false', all)), index.digest.slice(7));
  await skopeo('copy', '-q', '--all', '--src-tls-verify=false', all, `dir:${cache.file('all')}`);
  await cache.ok(['copy', source, one, '--platform', 'linux/arm64']);
  assert.equal(await inspect('--tls-verify=false', one), arm.digest);
});
