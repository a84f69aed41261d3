import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { createImageTarget, openFetcher, openImage } from '../../src/archive/index.ts';
import { type CopiedContent, copy, type Fetcher, readGraph } from '../../src/content/index.ts';
import { type LocalSource, mediaTypes, parseSource, parseTarget } from '../../src/oci/index.ts';
import { shaleError } from '../oci/throws.ts';
import { requires } from '../requirement.ts';
import { Files, host, sha256, temporary } from './fixture.ts';

const text = (file: string) => readFile(file, 'utf8');
const tool = (name: string, ...args: string[]) =>
  execFileSync(name, args, { encoding: 'utf8', stdio: 'pipe' });
/** Without the policy that skopeo asks for, which is a file of the system's. */
const skopeo = (...args: string[]) => tool('skopeo', '--insecure-policy', ...args);

/** What the command does, less the choice of a platform. */
async function copyImage(
  source: string,
  target: string,
  {
    bend = fetcher => fetcher,
    ...options
  }: { bend?: (fetcher: Fetcher) => Fetcher; exists?: 'replace'; referrers?: boolean } = {},
): Promise<CopiedContent[]> {
  const opened = await openFetcher(parseSource(source) as LocalSource, { host });
  const fetcher = bend(opened.fetcher);
  const graph = await readGraph(fetcher, opened.roots[0]!, options);
  const parsed = parseTarget(target);
  assert.ok('readings' in parsed);
  await using made = await createImageTarget(parsed, options);
  const copied = await copy(fetcher, made, graph);
  await made.commit();
  return copied;
}

/** A layout with two images, one of which has two platforms. */
async function makeSource(
  directory: string,
): Promise<{ one: string; many: string; files: Files; digest: string }> {
  const files = new Files();
  const name = (value: string) => ({ annotations: { 'org.opencontainers.image.ref.name': value } });
  const one = files.image(['layer one', 'layer two', 'layer one']);
  const arm = files.image(['layer one', 'other'], { config: { architecture: 'arm64' } });
  const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } });
  const many = files.index(
    [
      { ...one, ...platform('amd64') },
      { ...arm, ...platform('arm64') },
    ],
    name('many'),
  );
  files.layout({ ...one, ...name('one') }, many);
  await files.writeDirectory(directory);
  return { one: `oci:${directory}:one`, many: `oci:${directory}:many`, files, digest: one.digest };
}

interface Index {
  manifests: { digest: string; annotations?: Record<string, string>; [key: string]: unknown }[];
  [key: string]: unknown;
}
const readIndex = async (layout: string): Promise<Index> =>
  JSON.parse(await text(path.join(layout, 'index.json')));
const tagsOf = ({ manifests }: Index) =>
  manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name']);

test('a layout is created, added to, and its tags move; what others put there stays', async () => {
  await using scratch = await temporary();
  const { one, many, files, digest } = await makeSource(scratch.file('from'));
  const to = scratch.file('new/to');
  const first = await copyImage(one, `oci:${to}:a`);
  assert.deepEqual(new Set(first.map(({ how }) => how)), new Set(['pushed']));
  assert.deepEqual(await text(path.join(to, 'oci-layout')), '{"imageLayoutVersion":"1.0.0"}');
  assert.deepEqual(tagsOf(await readIndex(to)), ['a']);
  assert.equal((await openImage(`oci:${to}:a`, { host })).manifestDigest, digest);

  const index = await readIndex(to);
  const theirs = { mediaType: 'application/x', digest, size: 3, urls: ['x:y'], annotations: { b: 'c' } };
  await writeFile(
    path.join(to, 'index.json'),
    JSON.stringify({ ...index, theirs: 1, manifests: [theirs, ...index.manifests] }),
  );
  const second = await copyImage(many, `oci:${to}:b`);
  assert.equal(second.filter(({ how }) => how === 'exists').length, 4);
  assert.deepEqual(tagsOf(await readIndex(to)), [undefined, 'a', 'b']);
  await copyImage(many, `oci:${to}:a`);
  const last = await readIndex(to);
  assert.deepEqual(tagsOf(last), [undefined, 'b', 'a']);
  assert.equal(last.manifests[1]!.digest, last.manifests[2]!.digest);
  assert.deepEqual([last.manifests[0], last.theirs], [theirs, 1]);
  await copyImage(one, `oci:${to}`);
  await copyImage(one, `oci:${to}`);
  assert.deepEqual(tagsOf(await readIndex(to)), ['b', 'a', undefined]);

  const blobs = (await readdir(path.join(to, 'blobs/sha256'))).map(name => `blobs/sha256/${name}`);
  assert.deepEqual(blobs.sort(), [...files.map.keys()].filter(name => name.startsWith('blobs')).sort());
  for (const name of blobs) assert.deepEqual(await readFile(path.join(to, name)), files.map.get(name));
  assert.deepEqual((await readdir(to)).sort(), ['blobs', 'index.json', 'oci-layout']);
});

test('a blob of the wrong size is written again, one of the right size is kept', async () => {
  await using scratch = await temporary();
  const { one } = await makeSource(scratch.file('from'));
  const to = scratch.file('to');
  await copyImage(one, `oci:${to}:a`);
  const layer = path.join(to, 'blobs/sha256', sha256('layer one'));
  await writeFile(layer, 'lay');
  const before = await stat(path.join(to, 'blobs/sha256', sha256('layer two')));
  const copied = await copyImage(one, `oci:${to}:a`);
  assert.equal(await text(layer), 'layer one');
  assert.equal((await stat(path.join(to, 'blobs/sha256', sha256('layer two')))).ino, before.ino);
  assert.deepEqual(
    copied.filter(({ how }) => how === 'pushed').map(({ descriptor }) => descriptor.digest),
    [`sha256:${sha256('layer one')}`],
  );
});

/** Fails in the middle of the last layer. */
const broken = (fetcher: Fetcher): Fetcher => ({
  place: fetcher.place,
  readManifest: (...given) => fetcher.readManifest(...given),
  hasBlob: (...given) => fetcher.hasBlob(...given),
  async *openBlob(blob, offset, options) {
    if (blob.digest !== `sha256:${sha256('layer two')}`) yield* fetcher.openBlob(blob, offset, options);
    else {
      yield Buffer.from('layer');
      await setTimeout(50);
      yield Buffer.from(' 2');
    }
  },
});

test('a copy that fails leaves no archive, and of a layout only blobs that are right', async () => {
  await using scratch = await temporary();
  const { one, files } = await makeSource(scratch.file('from'));
  await mkdir(scratch.file('out'));
  for (const kind of ['oci-archive', 'docker-archive']) {
    await assert.rejects(
      copyImage(one, `${kind}:${scratch.file('out/image.tar')}`, { bend: broken }),
      shaleError('corrupt', /cannot read the source/),
    );
    assert.deepEqual(await readdir(scratch.file('out')), []);
  }
  const to = scratch.file('out/layout');
  await assert.rejects(copyImage(one, `oci:${to}:a`, { bend: broken }), shaleError('corrupt'));
  assert.deepEqual(await readdir(to), ['blobs']);
  for (const name of await readdir(path.join(to, 'blobs/sha256'))) {
    assert.deepEqual(
      await readFile(path.join(to, 'blobs/sha256', name)),
      files.map.get(`blobs/sha256/${name}`),
      name,
    );
  }
  // The next one goes on with what is there, and does not disturb what was complete.
  await copyImage(one, `oci:${to}:a`);
  const before = await text(path.join(to, 'index.json'));
  await writeFile(path.join(to, 'blobs/sha256', sha256('layer two')), '');
  await assert.rejects(copyImage(one, `oci:${to}:b`, { bend: broken }), shaleError('corrupt'));
  assert.equal(await text(path.join(to, 'index.json')), before);
});

test('many writers of one layout at once: every tag is there, and each is right', async () => {
  await using scratch = await temporary();
  const { one, many } = await makeSource(scratch.file('from'));
  const to = scratch.file('to');
  const tags = Array.from({ length: 12 }, (_, index) => `tag${index}`);
  await Promise.all(tags.map((tag, index) => copyImage(index % 2 ? one : many, `oci:${to}:${tag}`)));
  assert.deepEqual(tagsOf(await readIndex(to)).sort(), tags.sort());
  for (const tag of tags) await openImage(`oci:${to}:${tag}`, { host });
  assert.deepEqual((await readdir(to)).sort(), ['blobs', 'index.json', 'oci-layout']);
});

test('what is no place for a layout or an archive is left alone', async () => {
  await using scratch = await temporary();
  const { one, many } = await makeSource(scratch.file('from'));
  await mkdir(scratch.file('photos'));
  await writeFile(scratch.file('photos/cat.jpg'), 'cat');
  await assert.rejects(
    copyImage(one, `oci:${scratch.file('photos')}`),
    shaleError('invalid', /empty directory/),
  );
  assert.deepEqual(await readdir(scratch.file('photos')), ['cat.jpg']);
  await writeFile(scratch.file('file'), 'x');
  await assert.rejects(copyImage(one, `oci:${scratch.file('file')}`), shaleError('invalid', /oci-archive:/));
  await assert.rejects(copyImage(one, `oci-archive:${scratch.file('file')}`), shaleError('exists'));
  assert.equal(await text(scratch.file('file')), 'x');
  await copyImage(one, `oci-archive:${scratch.file('file')}`, { exists: 'replace' });
  await openImage(`oci-archive:${scratch.file('file')}`, { host });
  await assert.rejects(
    copyImage(one, `oci-archive:${scratch.file('no/file')}`),
    shaleError('not-found', /directory/),
  );
  await assert.rejects(
    copyImage(many, `docker-archive:${scratch.file('x.tar')}`),
    shaleError('unsupported', /one platform/),
  );
  assert.ok(!existsSync(scratch.file('x.tar')));
});

test('an archive is always the same file: sorted, no times, whatever came first', async () => {
  await using scratch = await temporary();
  const { one, many, files } = await makeSource(scratch.file('from'));
  const late = (fetcher: Fetcher): Fetcher => ({
    place: fetcher.place,
    readManifest: (...given) => fetcher.readManifest(...given),
    hasBlob: (...given) => fetcher.hasBlob(...given),
    async *openBlob(blob, offset, options) {
      await setTimeout(Number.parseInt(blob.digest.slice(7, 9), 16) / 4);
      yield* fetcher.openBlob(blob, offset, options);
    },
  });
  for (const [source, target] of [
    [many, 'oci-archive'],
    [one, 'docker-archive'],
  ] as const) {
    await copyImage(source, `${target}:${scratch.file(`${target}.tar`)}:nginx`);
    await copyImage(source, `${target}:${scratch.file(`${target}2.tar`)}:nginx`, { bend: late });
    const bytes = await readFile(scratch.file(`${target}.tar`));
    assert.ok(bytes.equals(await readFile(scratch.file(`${target}2.tar`))));
    // From elsewhere, too.
    await copyImage(source, `oci:${scratch.file(target)}:x`);
    await copyImage(`oci:${scratch.file(target)}:x`, `${target}:${scratch.file(`${target}3.tar`)}:nginx`);
    assert.ok(bytes.equals(await readFile(scratch.file(`${target}3.tar`))));
  }
  const listed = tool(
    'tar',
    '-tvf',
    scratch.file('oci-archive.tar'),
    '--full-time',
    '--utc',
    '--numeric-owner',
  );
  const names = listed
    .trim()
    .split('\n')
    .map(line => line.split(' ').at(-1)!);
  const expected = [...files.map.keys(), 'blobs/', 'blobs/sha256/'];
  assert.deepEqual(names, expected.sort());
  for (const line of listed.trim().split('\n'))
    assert.match(line, /^[d-]rw.r-.r-. 0\/0 +\d+ 1970-01-01 00:00:00 /);
  await mkdir(scratch.file('out'));
  tool('tar', '-xf', scratch.file('oci-archive.tar'), '-C', scratch.file('out'));
  for (const [name, bytes] of files.map) {
    if (name !== 'index.json') assert.deepEqual(await readFile(scratch.file(`out/${name}`)), bytes, name);
  }
  await openImage(`oci:${scratch.file('out')}:nginx`, { host });
});

test('a docker-archive has what docker save writes, and keeps the digest', async () => {
  await using scratch = await temporary();
  const { one, digest } = await makeSource(scratch.file('from'));
  const file = scratch.file('image.tar');
  await copyImage(one, `docker-archive:${file}:nginx:1.27`);
  const saved = JSON.parse(tool('tar', '-xOf', file, 'manifest.json'));
  const layer = (content: string) => `blobs/sha256/${sha256(content)}`;
  assert.deepEqual(Object.keys(saved[0]), ['Config', 'RepoTags', 'Layers']);
  assert.deepEqual(saved[0].RepoTags, ['nginx:1.27']);
  assert.deepEqual(saved[0].Layers, ['layer one', 'layer two', 'layer one'].map(layer));
  assert.equal((await openImage(`docker-archive:${file}:nginx:1.27`, { host })).layers.length, 3);
  await copyImage(`docker-archive:${file}:nginx:1.27`, `oci:${scratch.file('back')}:x`);
  assert.equal((await openImage(`oci:${scratch.file('back')}:x`, { host })).manifestDigest, digest);
  await copyImage(one, `docker-archive:${scratch.file('other.tar')}:ghcr.io/a/b`);
  assert.match(
    tool('tar', '-xOf', scratch.file('other.tar'), 'manifest.json'),
    /\["ghcr\.io\/a\/b:latest"\]/,
  );
});

test('an old docker-archive gets a manifest, the same each time, with its layers as they lie there', async () => {
  await using scratch = await temporary();
  const layers = [Buffer.from('plain'), Buffer.from('zipped'), Buffer.from('zstandard')];
  const stored = [layers[0]!, gzipSync(layers[1]!), zstdCompressSync(layers[2]!)];
  const files = new Files();
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: layers.map(bytes => `sha256:${sha256(bytes)}`) },
  });
  files.put('config.json', config);
  for (const [index, bytes] of stored.entries()) files.put(`${index}/layer.tar`, bytes);
  files.put('manifest.json', [
    { Config: 'config.json', RepoTags: ['a:b'], Layers: stored.map((_, i) => `${i}/layer.tar`) },
  ]);
  await writeFile(scratch.file('old.tar'), files.tar());
  const digests = [];
  for (const name of ['x', 'y']) {
    await copyImage(`docker-archive:${scratch.file('old.tar')}`, `oci:${scratch.file(name)}`);
    const image = await openImage(`oci:${scratch.file(name)}`, { host });
    assert.equal(image.configDigest, `sha256:${sha256(config)}`);
    assert.deepEqual(
      image.layers.map(({ mediaType, digest }) => [mediaType, digest]),
      ['', '+gzip', '+zstd'].map((suffix, index) => [
        mediaTypes.layer + suffix,
        `sha256:${sha256(stored[index]!)}`,
      ]),
    );
    digests.push(image.manifestDigest);
  }
  assert.equal(digests[0], digests[1]);

  // A layer that is not what the config says is found out on its way.
  files.put('0/layer.tar', 'plaid');
  await writeFile(scratch.file('bad.tar'), files.tar());
  await assert.rejects(
    copyImage(`docker-archive:${scratch.file('bad.tar')}`, `oci:${scratch.file('z')}`),
    shaleError('corrupt', /cannot read the source docker-archive:/),
  );
});

test('referrers are listed in a layout, and found there again', async () => {
  await using scratch = await temporary();
  const files = new Files();
  const image = files.image(['x'], { annotations: { 'org.opencontainers.image.ref.name': 'a' } });
  const signature = files.image(['signature'], {
    manifest: { subject: { mediaType: image.mediaType, digest: image.digest, size: image.size } },
    artifactType: 'application/x.signature',
  });
  await files.layout(image, signature).writeDirectory(scratch.file('from'));
  await copyImage(`oci:${scratch.file('from')}:a`, `oci:${scratch.file('to')}:a`, { referrers: true });
  await copyImage(`oci:${scratch.file('to')}:a`, `oci-archive:${scratch.file('to.tar')}:a`, {
    referrers: true,
  });
  await copyImage(`oci-archive:${scratch.file('to.tar')}:a`, `oci:${scratch.file('to')}:b`, {
    referrers: true,
  });
  const { manifests } = await readIndex(scratch.file('to'));
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [image.digest, image.digest, signature.digest],
  );
  assert.equal(manifests.at(-1)!.artifactType, 'application/x.signature');
  await copyImage(`oci:${scratch.file('from')}:a`, `oci:${scratch.file('without')}:a`);
  assert.equal((await readIndex(scratch.file('without'))).manifests.length, 1);
});

/** An image whose layers are real archives, for tools that unpack. */
async function makeReal(
  directory: string,
  compress: (tar: Buffer) => Buffer,
  suffix: string,
): Promise<string> {
  const tars = ['one', 'two'].map(name => new Files().put(`${name}.txt`, `content of ${name}`).tar());
  const files = new Files();
  const layers = tars.map(tar => files.blob(mediaTypes.layer + suffix, compress(tar)));
  const diff_ids = tars.map(tar => `sha256:${sha256(tar)}`);
  const config = files.blob(mediaTypes.config, {
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids },
    history: tars.map(() => ({ created_by: 'test' })),
  });
  const manifest = files.blob(
    mediaTypes.manifest,
    { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers },
    { annotations: { 'org.opencontainers.image.ref.name': 'a' } },
  );
  await files.layout(manifest).writeDirectory(directory);
  return manifest.digest;
}

const judges = requires({ tools: ['skopeo', 'umoci'] });

test('skopeo and umoci read what is written, and what skopeo writes is read', { skip: judges }, async () => {
  await using scratch = await temporary();
  const digest = await makeReal(scratch.file('from'), bytes => gzipSync(bytes), '+gzip');
  const from = `oci:${scratch.file('from')}:a`;
  for (const kind of ['oci', 'oci-archive', 'docker-archive'] as const) {
    const target = (name: string) =>
      `${kind}:${scratch.file(`${kind}-${name}`)}:${kind === 'docker-archive' ? 'nginx:1' : 'a'}`;
    await copyImage(from, target('ours'));
    const inspected = JSON.parse(skopeo('inspect', target('ours')));
    assert.deepEqual([inspected.Os, inspected.Architecture, inspected.Layers.length], ['linux', 'amd64', 2]);
    if (kind !== 'docker-archive') assert.equal(inspected.Digest, digest);
    skopeo('copy', '-q', target('ours'), `oci:${scratch.file(`${kind}-through`)}:t`);
    tool(
      'umoci',
      'unpack',
      '--rootless',
      '--image',
      `${scratch.file(`${kind}-through`)}:t`,
      scratch.file(`${kind}-bundle`),
    );
    assert.equal(await text(scratch.file(`${kind}-bundle/rootfs/two.txt`)), 'content of two');

    skopeo('copy', '-q', from, target('theirs'));
    await copyImage(target('theirs'), `oci:${scratch.file(`${kind}-back`)}:a`);
    const back = await openImage(`oci:${scratch.file(`${kind}-back`)}:a`, { host });
    const original = await openImage(from, { host });
    assert.deepEqual(back.config.diffIds, original.config.diffIds);
    assert.equal(skopeo('inspect', '--raw', `oci:${scratch.file(`${kind}-back`)}:a`).length > 0, true);
    if (kind !== 'docker-archive') assert.equal(back.manifestDigest, digest);
    tool(
      'umoci',
      'unpack',
      '--rootless',
      '--image',
      `${scratch.file(`${kind}-back`)}:a`,
      scratch.file(`${kind}-bundle2`),
    );
    assert.equal(await text(scratch.file(`${kind}-bundle2/rootfs/one.txt`)), 'content of one');
  }
  // Both tools may add to one layout in turn.
  const shared = scratch.file('oci-ours');
  skopeo('copy', '-q', from, `oci:${shared}:theirs`);
  await copyImage(from, `oci:${shared}:ours`);
  tool('umoci', 'tag', '--image', `${shared}:ours`, 'again');
  assert.deepEqual(tagsOf(await readIndex(shared)).sort(), ['a', 'again', 'ours', 'theirs']);
  await openImage(`oci:${shared}:again`, { host });
});
