import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type Image, openImage } from '../../src/archive/index.ts';
import { readLocation } from '../../src/content/index.ts';
import { formatPlatform } from '../../src/oci/index.ts';
import { host, temporary } from '../archive/fixture.ts';
import { shaleError } from '../oci/throws.ts';
import { requires } from '../requirement.ts';

const skopeo = requires({ tools: ['skopeo'] });
const both = requires({ tools: ['skopeo', 'umoci'] });
const run = (tool: string, ...args: string[]) =>
  execFileSync(tool, args, { encoding: 'utf8', stdio: 'pipe' });

/** Every layer's blob must have its digest, and its uncompressed bytes the diffID. */
async function proveLayers(image: Image): Promise<void> {
  assert.equal(image.layers.length, image.config.diffIds.length);
  for (const layer of image.layers) {
    const { digest, diffId } = layer;
    const parts: Uint8Array[] = [];
    for await (const part of readLocation(await layer.locate())) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (digest !== undefined) assert.equal(`sha256:${sha256(bytes)}`, digest);
    const plain =
      bytes[0] === 0x1f
        ? gunzipSync(bytes)
        : bytes.readUInt32LE() === 0xfd2fb528
          ? zstdDecompressSync(bytes)
          : bytes;
    assert.equal(`sha256:${sha256(plain)}`, diffId);
  }
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What skopeo says of the same source must be what Shale says. */
async function compare(source: string): Promise<void> {
  const image = await openImage(source, { host });
  const config = JSON.parse(run('skopeo', 'inspect', '--config', '--raw', source));
  assert.deepEqual(image.config.fields, config);
  assert.deepEqual(image.config.diffIds, config.rootfs.diff_ids);
  if (image.manifest !== undefined) {
    const raw = run('skopeo', 'inspect', '--raw', source);
    assert.equal(image.manifestDigest, `sha256:${sha256(Buffer.from(raw))}`);
    assert.deepEqual(image.manifest.fields, JSON.parse(raw));
  }
  await proveLayers(image);
}

let made: Awaited<ReturnType<typeof temporary>> | undefined;
before(async () => {
  if (both) return;
  made = await temporary();
  const layout = made.file('layout');
  run('umoci', 'init', '--layout', layout);
  run('umoci', 'new', '--image', `${layout}:base`);
  for (let layer = 0; layer < 3; layer++) {
    const root = made.file(`root${layer}`);
    await mkdir(path.join(root, 'directory'), { recursive: true });
    await writeFile(path.join(root, 'directory', `file${layer}`), `${layer}`.repeat(1000 * layer));
    run('tar', '-C', root, '-cf', made.file(`${layer}.tar`), '.');
    run(
      'umoci',
      'raw',
      'add-layer',
      '--image',
      `${layout}:base`,
      '--tag',
      `v${layer}`,
      made.file(`${layer}.tar`),
    );
    run('umoci', 'tag', '--image', `${layout}:v${layer}`, 'base');
  }
});
// The hook cannot be `using`, and the last test of the file must not take the directory away too early.
test.after(() => made?.[Symbol.asyncDispose]());

test('layouts of umoci, tag by tag', { skip: both }, async () => {
  const layout = made!.file('layout');
  for (const tag of ['base', 'v0', 'v1', 'v2']) await compare(`oci:${layout}:${tag}`);
  await assert.rejects(
    openImage(`oci:${layout}`, { host }),
    shaleError('invalid', /base, v0, v1|v0, v1, v2, base/),
  );
  const image = await openImage(`oci:${layout}:v1`, { host });
  const [entry] = image.config.history.slice(-1);
  assert.match(entry?.createdBy ?? '', /umoci raw add-layer/);
});

test('an empty layout and an image without layers, by umoci', { skip: both }, async () => {
  await using directory = await temporary();
  run('umoci', 'init', '--layout', directory.file('l'));
  await assert.rejects(
    openImage(`oci:${directory.file('l')}`, { host }),
    shaleError('not-found', /no image/),
  );
  run('umoci', 'new', '--image', `${directory.file('l')}:empty`);
  await compare(`oci:${directory.file('l')}:empty`);
});

test('copies by skopeo, in each format and compression', { skip: both }, async () => {
  const from = `oci:${made!.file('layout')}:v2`;
  await using directory = await temporary();
  const copy = (to: string, ...options: string[]) => run('skopeo', 'copy', '-q', ...options, from, to);
  const plain = `oci:${directory.file('plain')}:repo:1`;
  copy(plain);
  await compare(plain);
  const zstd = `oci:${directory.file('zstd')}:1`;
  copy(zstd, '--dest-compress', '--dest-compress-format', 'zstd');
  await compare(zstd);
  assert.ok((await openImage(zstd, { host })).layers.every(({ mediaType }) => mediaType.endsWith('zstd')));
  const archive = `oci-archive:${directory.file('oci.tar')}:v1`;
  copy(archive);
  await compare(archive);
  const docker = `docker-archive:${directory.file('docker.tar')}:foo/bar:1.2`;
  copy(docker);
  await compare(docker);
  await proveLayers(await openImage(`docker-archive:${directory.file('docker.tar')}`, { host }));
  await proveLayers(await openImage(`docker-archive:${directory.file('docker.tar')}:@0`, { host }));
});

test('archives by GNU tar, in each of its formats', { skip: skopeo || both }, async () => {
  await using directory = await temporary();
  for (const format of ['v7', 'oldgnu', 'gnu', 'ustar', 'posix']) {
    const file = directory.file(`${format}.tar`);
    run('tar', '-C', made!.file('layout'), `--format=${format}`, '-cf', file, '.');
    await compare(`oci-archive:${file}:v2`);
    const deep = directory.file(`${format}-deep.tar`);
    if (format === 'v7') continue;
    const prefix = 'long/'.repeat(format === 'ustar' ? 4 : 40);
    run(
      'tar',
      '-C',
      made!.file('layout'),
      `--format=${format}`,
      '--transform',
      `s,^\\.,${prefix},`,
      '-cf',
      deep,
      '.',
    );
    await assert.rejects(
      openImage(`oci-archive:${deep}:v2`, { host }),
      shaleError('invalid', /no oci-layout/),
    );
  }
  const sparse = directory.file('sparse.tar');
  await cp(made!.file('layout'), directory.file('copy'), { recursive: true });
  run('truncate', '-s', '+1M', directory.file('copy/oci-layout'));
  run('tar', '-C', directory.file('copy'), '--sparse', '-cf', sparse, '.');
  await assert.rejects(openImage(`oci-archive:${sparse}:v2`, { host }), shaleError('unsupported', /sparse/));
});

const images = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'images');
const noImages = !existsSync(images) && 'no sample images beside the checkout';

test('sample images, whoever made them', { skip: noImages }, async () => {
  const sources = (await readdir(images)).flatMap(name => {
    if (/^test-docker.*\.tar$/.test(name)) return [`docker-archive:${path.join(images, name)}`];
    if (/^test-oci.*\.tar$/.test(name)) return [`oci-archive:${path.join(images, name)}`];
    return name === 'busybox' ? [`oci:${path.join(images, name)}`] : [];
  });
  assert.ok(sources.length > 0);
  const platforms = new Set<string>();
  for (const source of sources) {
    const image = await openImage(source, { host });
    platforms.add(formatPlatform(image.platform));
    await proveLayers(image);
    if (!skopeo && !source.includes('test-oci-')) await compare(source);
  }
  assert.deepEqual([...platforms].sort(), ['linux/amd64', 'linux/arm64']);
});
