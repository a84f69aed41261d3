/** `shale pull` as a user runs it, from real registries and from one that counts; what it made, judged by other tools. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pull } from '../../src/engine/pull.ts';
import { sha256 } from '../archive/fixture.ts';
import { shale } from '../cli/fixture.ts';
import { layoutOf } from '../engine/image.ts';
import { Cache } from '../registry/cache.ts';
import { Gate, startFakeRegistry } from '../registry/fake.ts';
import { multiPlatform, noise, noisyImage, pushImage, skopeo } from '../registry/image.ts';
import { password, realRegistry, startRegistry, username } from '../registry/real.ts';
import { requires } from '../requirement.ts';

interface PullResult {
  readonly digest: string;
  readonly manifestDigest: string;
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly cached: boolean }[];
  readonly downloadedBytes: number;
  readonly artifact?: { readonly path: string; readonly bytes: number; readonly reused: boolean };
  readonly upToDate: boolean;
}

/** What `shale render` makes of the same image in a layout, which tests of their own have judged. */
async function renderReference(cache: Cache, files: ReturnType<typeof noisyImage>): Promise<string> {
  await files.writeDirectory(cache.file('layout'));
  const output = cache.file('reference.sqfs');
  const ended = await shale(['render', `oci:${cache.file('layout')}`, output, '-q']);
  assert.equal(ended.status, 0, ended.stderr);
  return sha256(readFileSync(output));
}

const kinds = [
  {},
  { auth: 'htpasswd' },
  { auth: 'token' },
  { auth: 'token', tls: true },
] as const satisfies Parameters<typeof startRegistry>[0][];

for (const kind of kinds) {
  test(`pulled from docker-registry ${JSON.stringify(kind)}, the squashfs is that of the layout`, {
    skip: requires({ tools: [...realRegistry.tools, 'unsquashfs'] }),
  }, async () => {
    await using registry = await startRegistry(kind);
    using cache = new Cache();
    const files = noisyImage([1, 2, 3]);
    const expected = await renderReference(cache, files);
    const reference = await pushImage(registry, 'team/app:1.0', files);
    const access = Cache.access(registry);

    const pulled = await cache.json<PullResult>(['pull', reference, ...access]);
    const inspected = await skopeo(
      'inspect',
      ...registry.skopeo(),
      '-f',
      '{{.Digest}}',
      `docker://${reference}`,
    );
    assert.equal(pulled.manifestDigest, inspected.trim());
    assert.equal(sha256(readFileSync(pulled.artifact?.path ?? '')), expected);

    await registry[Symbol.asyncDispose]();
    const output = cache.file('out.sqfs');
    await cache.ok(['render', reference, output]);
    assert.equal(sha256(readFileSync(output)), expected);
    const found = execFileSync('unsquashfs', ['-cat', output, 'layer-2/noise'], { maxBuffer: 1 << 20 });
    assert.deepEqual(found, noise(50_000, 2));
  });
}

test('shale login keeps what shale pull needs, and logout forgets it', {
  skip: requires(realRegistry),
}, async () => {
  await using registry = await startRegistry({ auth: 'htpasswd', tls: true });
  using cache = new Cache();
  const reference = await pushImage(registry, 'private:1', noisyImage([1]));
  const certificate = ['--cert-dir', registry.certDir ?? ''];
  const authfile = ['--authfile', cache.file('auth.json')];
  const env = { HOME: cache.file('home') };
  const login = (word: string) =>
    shale(['login', registry.host, '-u', username, '-p', word, ...certificate, ...authfile], { env });

  const before = await cache.fails(6, ['pull', reference, ...certificate]);
  assert.match(before, new RegExp(`shale login ${registry.host}`));
  const wrong = await login('wrong');
  assert.equal(wrong.status, 6, wrong.stderr);
  assert.equal(existsSync(cache.file('auth.json')), false);
  const right = await login(password);
  assert.equal(right.status, 0, right.stderr);
  await cache.ok(['pull', reference, '--format', 'none', ...certificate, ...authfile]);
  await skopeo(
    'inspect',
    `--cert-dir=${registry.certDir}`,
    ...[`--authfile=${cache.file('auth.json')}`],
    `docker://${reference}`,
  );

  const out = await shale(['logout', registry.host, ...authfile], { env });
  assert.equal(out.status, 0, out.stderr);
  await cache.fails(6, ['pull', reference, ...certificate, ...authfile]);
});

test('the cache is an OCI layout to skopeo and umoci', {
  skip: requires({ tools: ['skopeo', 'umoci'], root: true }),
}, async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const image = registry.put('a/b:1', noisyImage([1, 2]));
  const reference = `${registry.host}/a/b:1`;
  await cache.ok(['pull', reference]);

  const source = `oci:${cache.root}:${reference}`;
  assert.equal((await skopeo('inspect', '-f', '{{.Digest}}', source)).trim(), image.manifest.digest);
  await skopeo('copy', '-q', '--preserve-digests', source, `dir:${cache.file('copied')}`);
  execFileSync('umoci', ['unpack', '--image', `${cache.root}:${reference}`, cache.file('bundle')]);
  assert.deepEqual(readFileSync(cache.file('bundle', 'rootfs', 'layer-1', 'noise')), noise(50_000, 1));
  assert.equal(readFileSync(cache.file('bundle', 'rootfs', 'shared'), 'utf8'), 'last written by 2\n');
});

test('an image that shares all but its last layer downloads only that layer', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  registry.put('app:1', noisyImage([1, 2, 3]));
  const second = registry.put('app:2', noisyImage([1, 2, 4]));
  await cache.ok(['pull', `${registry.host}/app:1`]);
  registry.forget();

  const pulled = await cache.json<PullResult>(['pull', `${registry.host}/app:2`]);
  assert.deepEqual(
    new Set(registry.find({ path: '/blobs/' }).map(({ path }) => path.split('/').at(-1))),
    new Set([second.config, second.layers[2]?.digest]),
  );
  assert.equal(registry.sentOf(second.layers[2]?.digest ?? ''), second.layers[2]?.size);
  assert.deepEqual(
    pulled.layers.map(({ cached }) => cached),
    [true, true, false],
  );

  const reference = await renderReference(cache, noisyImage([1, 2, 4]));
  assert.equal(sha256(readFileSync(pulled.artifact?.path ?? '')), reference);
});

test('policies mean what imagePullPolicy means', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const reference = `${registry.host}/app:1`;
  const pull = (policy: string) =>
    cache.json<PullResult>(['pull', reference, '--policy', policy, '--format', 'none']);
  const old = registry.put('app:1', noisyImage([1]));

  await cache.fails(4, ['pull', reference, '--policy', 'never']);
  assert.equal(registry.requests.length, 0);
  assert.equal((await pull('if-not-present')).manifestDigest, old.manifest.digest);

  const moved = registry.put('app:1', noisyImage([1, 2]));
  registry.forget();
  assert.equal((await pull('if-not-present')).manifestDigest, old.manifest.digest);
  assert.equal((await pull('never')).manifestDigest, old.manifest.digest);
  assert.equal(registry.requests.length, 0);

  const updated = await pull('always');
  assert.deepEqual([updated.manifestDigest, updated.upToDate], [moved.manifest.digest, false]);
  registry.forget();
  const again = await pull('always');
  assert.deepEqual([again.upToDate, again.downloadedBytes], [true, 0]);
  assert.deepEqual(
    registry.requests
      .filter(({ path }) => !path.endsWith('/v2/'))
      .map(({ method, path }) => `${method} ${path}`),
    ['HEAD /v2/app/manifests/1'],
  );
});

test('the artifact of an image is rendered once', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  registry.put('app:1', noisyImage([1]));
  const reference = `${registry.host}/app:1`;
  const first = await cache.json<PullResult>(['pull', reference]);
  const second = await cache.json<PullResult>(['pull', reference]);
  assert.deepEqual([first.artifact?.reused, second.artifact?.reused], [false, true]);
  assert.equal(first.artifact?.path, second.artifact?.path);
  const finer = await cache.json<PullResult>(['pull', reference, '--block-size', '4K']);
  assert.equal(finer.artifact?.reused, false);
});

test('two processes that pull the same image fetch every byte once', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const image = registry.put('app:1', noisyImage([1, 2], { size: 1_000_000 }));
  const gate = new Gate();
  registry.on({ method: 'GET', path: '/blobs/' }, { gate, gateAfter: 10_000 });
  const args = ['pull', `${registry.host}/app:1`];
  const processes = [cache.start(args), cache.start(args), cache.start([...args, '--format', 'none'])];
  await Promise.race([gate.arrived(), ...processes.map(({ ended }) => ended)]);
  // The others should be at it, too, before the first one gets on.
  await sleep(1500);
  gate.open();
  for (const { ended } of processes) {
    const { status, stderr } = await ended;
    assert.equal(status, 0, stderr);
  }
  for (const { digest, size } of image.layers) assert.equal(registry.sentOf(digest), size);
  await cache.ok(['fsck']);
});

test('what a killed process had downloaded is not downloaded again', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const files = noisyImage([1, 2], { size: 6_000_000 });
  const image = registry.put('app:1', files);
  const reference = `${registry.host}/app:1`;
  const large = image.layers[1]?.digest ?? '';
  const sent = 4_000_000;
  registry.on({ method: 'GET', path: large }, { silentAfter: sent });
  const killed = cache.start(['pull', reference]);
  while (registry.sentOf(large) < sent && killed.exitCode === null) await sleep(10);
  await sleep(500);
  killed.kill('SIGKILL');
  assert.equal((await killed.ended).signal, 'SIGKILL');

  registry.heal();
  registry.forget();
  const pulled = await cache.json<PullResult>(['pull', reference]);
  const requests = registry.find({ method: 'GET', path: large });
  assert.deepEqual(
    requests.map(({ headers }) => /^bytes=(\d+)-/.exec(headers.range ?? '') !== null),
    [true],
  );
  // How much is there is written down every MiB; up to there nothing is fetched again.
  const again = registry.sentOf(large) - ((image.layers[1]?.size ?? 0) - sent);
  assert.ok(again >= 0 && again <= 2 ** 20 + 65_536, `${again} bytes were fetched again`);
  assert.equal(sha256(readFileSync(pulled.artifact?.path ?? '')), await renderReference(cache, files));
});

test('a large blob comes in parallel ranges, where the server has ranges', async () => {
  const bytes = Buffer.alloc(80 * 2 ** 20, noise(2 ** 20));
  const files = layoutOf([bytes], () => 'none');
  for (const ranges of [true, false]) {
    await using registry = await startFakeRegistry({ ranges });
    using cache = new Cache();
    const image = registry.put('app:1', files);
    await cache.ok(['pull', `${registry.host}/app:1`, '--format', 'none']);
    const blob = image.layers[0] ?? { digest: '', size: 0 };
    assert.equal(registry.sentOf(blob.digest), blob.size);
    const requests = registry.find({ method: 'GET', path: blob.digest });
    assert.ok(ranges ? requests.length > 1 : requests.length === 1, `${requests.length} requests`);
  }
});

test('of an index only the platform that is wanted is downloaded, and both can be there', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const { files, index, amd, arm } = multiPlatform();
  registry.put('app:1', files);
  const reference = `${registry.host}/app:1`;
  const pull = (architecture: string) =>
    cache.json<PullResult>(['pull', reference, '--platform', `linux/${architecture}`]);
  const platforms = async () => {
    const { images } = await cache.json<{ images: { platform: string }[] }>(['images']);
    return images.map(({ platform }) => platform).sort();
  };
  const first = await pull('arm64');
  assert.deepEqual([first.digest, first.manifestDigest], [index.digest, arm.digest]);
  assert.equal(registry.sentOf(amd.layer), 0);
  assert.equal((await pull('amd64')).manifestDigest, amd.digest);
  assert.equal((await pull('arm64')).upToDate, true);
  assert.deepEqual(await platforms(), ['linux/amd64', 'linux/arm64']);
  await cache.ok(['rm', reference, '--platform', 'linux/arm64']);
  assert.deepEqual(await platforms(), ['linux/amd64']);
  await cache.ok(['gc', '--all']);
  await cache.ok([
    'render',
    reference,
    cache.file('out.tar'),
    '--platform',
    'linux/amd64',
    '--policy',
    'never',
  ]);
  assert.deepEqual((await cache.json<{ damaged: unknown[] }>(['fsck'])).damaged, []);
});

test('the library asks the registry, too, unless it is told not to', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const first = registry.put('app:1', noisyImage([1]));
  const options = { root: cache.root, format: 'none', policy: undefined } as const;
  const reference = `${registry.host}/app:1`;
  assert.equal((await pull(reference, options)).manifestDigest, first.manifest.digest);
  const second = registry.put('app:1', noisyImage([2]));
  assert.equal((await pull(reference, options)).manifestDigest, second.manifest.digest);
});

test('limits hold for an artifact that is there already', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  registry.put('app:1', noisyImage([1, 2]));
  const reference = `${registry.host}/app:1`;
  await cache.ok(['pull', reference]);
  await cache.fails(10, ['pull', reference, '--max-entries', '1']);
  await cache.fails(10, ['render', reference, cache.file('out.sqfs'), '--max-entries', '1']);
  await cache.ok(['pull', reference]);
});

test('another machine’s image is not taken for this one’s, because it happens to be there', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const { files, amd, arm } = multiPlatform();
  registry.put('app:1', files);
  const reference = `${registry.host}/app:1`;
  const [own, other] = process.arch === 'arm64' ? [arm, amd] : [amd, arm];
  const others = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';
  await cache.ok(['pull', reference, '--platform', others]);
  assert.ok(registry.sentOf(other.layer) > 0);

  await cache.fails(4, ['render', reference, cache.file('never.tar'), '--policy', 'never']);
  const inspected = await cache.json<{ manifestDigest: string }>(['inspect', reference]);
  assert.equal(inspected.manifestDigest, own.digest);
});

test('mirrors come first, the next one where one fails, and none sees what opens another', async () => {
  const credential = (name: string) =>
    ({ kind: 'basic', username: name, password: `${name}-secret` }) as const;
  await using down = await startFakeRegistry();
  await using wrong = await startFakeRegistry();
  await using good = await startFakeRegistry({ auth: credential('mirror') });
  using cache = new Cache();
  const files = noisyImage([1, 2]);
  const image = good.put('copies/app:1', files);
  down.on({}, { status: 503 });
  const mirrors = [down, wrong, good].map(
    ({ host }) => `[[registry.mirror]]\nlocation = "${host}/copies"\ninsecure = true\n`,
  );
  const configuration = cache.file('registries.conf');
  writeFileSync(configuration, `[[registry]]\nlocation = "registry.invalid"\n${mirrors.join('')}`);
  const encode = (name: string) => ({ auth: Buffer.from(`${name}:${name}-secret`).toString('base64') });
  const auths = { 'registry.invalid': encode('origin'), [good.host]: encode('mirror') };
  writeFileSync(cache.file('auth.json'), JSON.stringify({ auths }));
  const env = { CONTAINERS_REGISTRIES_CONF: configuration };
  const args = ['pull', 'registry.invalid/app:1', '--authfile', cache.file('auth.json'), '--retries', '1'];
  const pulled = await cache.json<PullResult>(args, { env });
  assert.equal(pulled.manifestDigest, image.manifest.digest);
  assert.equal(sha256(readFileSync(pulled.artifact?.path ?? '')), await renderReference(cache, files));
  assert.ok(down.requests.length > 0 && wrong.requests.length > 0);
  for (const { headers } of [...down.requests, ...wrong.requests])
    assert.equal(headers.authorization, undefined);
  const { auth } = encode('mirror');
  const seen = new Set(good.requests.map(({ headers }) => headers.authorization).filter(Boolean));
  assert.deepEqual(seen, new Set([`Basic ${auth}`]));
});

test('what a mirror has spoilt comes from the registry itself', async () => {
  await using spoilt = await startFakeRegistry();
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const files = noisyImage([1, 2]);
  spoilt.put('app:1', files);
  const [layer] = registry.put('app:1', files).layers;
  spoilt.on({ method: 'GET', path: layer!.digest }, { corruptAt: 100 });
  const configuration = cache.file('registries.conf');
  const mirror = `[[registry.mirror]]\nlocation = "${spoilt.host}"\ninsecure = true\n`;
  writeFileSync(configuration, `[[registry]]\nlocation = "${registry.host}"\n${mirror}`);
  const env = { CONTAINERS_REGISTRIES_CONF: configuration };
  const pulled = await cache.json<PullResult>(['pull', `${registry.host}/app:1`], { env });
  assert.equal(sha256(readFileSync(pulled.artifact?.path ?? '')), await renderReference(cache, files));
  assert.equal(registry.sentOf(layer!.digest), layer!.size);
});

test('render --no-cache leaves nothing in the cache', async () => {
  await using registry = await startFakeRegistry();
  using cache = new Cache();
  const files = noisyImage([1, 2]);
  registry.put('app:1', files);
  const [output, reference] = [cache.file('out.sqfs'), `docker://${registry.host}/app:1`];
  await cache.ok(['render', reference, output, '--no-cache']);
  assert.equal(sha256(readFileSync(output)), await renderReference(cache, files));
  const { images } = await cache.json<{ images: unknown[] }>(['images']);
  assert.deepEqual(images, []);
  const blobs = existsSync(cache.root)
    ? execFileSync('find', [
        ...[cache.root, '-type', 'f', '-size', '+8k'],
        ...['-not', '-name', 'shale.db*', '-not', '-path', '*/reserve/*'],
      ])
    : '';
  assert.equal(String(blobs), '');
});
