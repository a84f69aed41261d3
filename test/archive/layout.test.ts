import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openImage } from '../../src/archive/index.ts';
import { mediaTypes, parsePlatform } from '../../src/oci/index.ts';
import { shaleError } from '../oci/throws.ts';
import { type Fields, Files, host, openArchive, openDirectory, sha256, temporary } from './fixture.ts';

const tagged = (tag: string) => ({ annotations: { 'org.opencontainers.image.ref.name': tag } });

test('an image is opened, its layers lie where it says', async () => {
  const files = new Files();
  files.layout(files.image(['first', 'second layer'], tagged('v1')));
  await using directory = await temporary();
  await files.writeDirectory(directory.path);
  const source = `oci:${directory.path}:v1`;
  await using image = await openImage(source, { host });
  assert.equal(image.reference, source);
  assert.equal(image.platform.architecture, 'amd64');
  assert.equal(image.layers.length, 2);
  for (const [position, text] of ['first', 'second layer'].entries()) {
    const { digest, diffId, size, mediaType } = image.layers[position]!;
    const blob = await image.layers[position]!.locate();
    assert.equal(digest, `sha256:${sha256(text)}`);
    assert.equal(diffId, digest);
    assert.equal(size, text.length);
    assert.equal(mediaType, mediaTypes.layer);
    assert.equal((await readFile(blob.path, 'utf8')).slice(blob.offset, blob.offset + blob.size), text);
  }
});

test('the same from a tar, with or without ./ before its names', async () => {
  const files = new Files();
  files.layout(files.image(['first', 'second layer'], tagged('v1')));
  for (const prefix of ['', './']) {
    const tar = files.tar(prefix);
    const image = await openArchive('oci-archive', tar, ':v1');
    const blob = await image.layers[1]!.locate();
    assert.equal(tar.toString('utf8', blob.offset, blob.offset + blob.size), 'second layer');
  }
});

test('tags choose', async () => {
  const files = new Files();
  const [a, b, c] = [files.image(['a']), files.image(['b']), files.image(['c'])];
  files.layout(
    { ...a, ...tagged('repo:1') },
    { ...b, ...tagged('repo:2') },
    {
      ...b,
      annotations: {
        'io.containerd.image.name': 'docker.io/library/b:3',
        'org.opencontainers.image.ref.name': '3',
      },
    },
    { ...c, ...tagged('1') },
  );
  const open = async (suffix: string) => (await openDirectory(files, suffix)).manifestDigest;
  assert.equal(await open(':repo:1'), a.digest);
  assert.equal(await open(':1'), c.digest, 'a whole name wins over the end of one');
  assert.equal(await open(':2'), b.digest);
  assert.equal(await open(':3'), b.digest);
  assert.equal(await open(':docker.io/library/b:3'), b.digest);
  assert.equal(await open(`@${c.digest}`), c.digest);
  await assert.rejects(
    open(''),
    shaleError('invalid', /holds 4 images.*repo:1, repo:2, 3, docker\.io\/library\/b:3, 1/),
  );
  await assert.rejects(open(':9'), shaleError('not-found', /"9".*repo:1, repo:2/));
  await assert.rejects(
    open(`@sha256:${'0'.repeat(64)}`),
    shaleError('not-found', /has no manifest sha256:000/),
  );
});

test('a tag that could mean two images is not guessed', async () => {
  const files = new Files();
  files.layout(files.image(['a'], tagged('x:1')), files.image(['b'], tagged('y:1')));
  await assert.rejects(openDirectory(files, ':1'), shaleError('invalid', /2 images.*@DIGEST: sha256:/));
  const untagged = new Files();
  untagged.layout(untagged.image(['a']), untagged.image(['b']));
  await assert.rejects(openDirectory(untagged), shaleError('invalid', /2 images.*@DIGEST: sha256:/));
});

test('several entries are one image only by the same name, each with a platform of its own', async () => {
  const files = new Files();
  const [a, b] = [files.image(['a']), files.image(['b'])];
  const platform = { os: 'linux', architecture: 'arm64' };
  const [arm, amd] = [
    { ...a, platform },
    { ...b, platform: { ...platform, architecture: 'amd64' } },
  ];
  files.layout({ ...arm, ...tagged('x:1') }, { ...amd, ...tagged('x:1') });
  assert.equal((await openDirectory(files, ':1')).manifestDigest, b.digest);
  assert.equal((await openDirectory(files)).manifestDigest, b.digest);
  for (const entries of [
    [
      { ...arm, ...tagged('x:1') },
      { ...amd, ...tagged('y:1') },
    ],
    [arm, { ...b, platform }],
    [arm, b],
  ]) {
    files.layout(...entries);
    await assert.rejects(openDirectory(files), shaleError('invalid', /holds 2 images/));
  }
});

test('a manifest must be of the kind that its descriptor says', async () => {
  const files = new Files();
  const image = files.image(['a']);
  files.layout({ ...image, mediaType: mediaTypes.index });
  await assert.rejects(openDirectory(files), shaleError('invalid', /its descriptor says/));
  files.layout({ ...files.index([image]), mediaType: mediaTypes.manifest });
  await assert.rejects(openDirectory(files), shaleError('invalid', /its descriptor says/));
});

test('one image under several tags is one image', async () => {
  const files = new Files();
  const image = files.image(['a']);
  files.layout({ ...image, ...tagged('x') }, { ...image, ...tagged('y') });
  assert.equal((await openDirectory(files)).manifestDigest, image.digest);
});

test('an existing path wins over a tag', async () => {
  const files = new Files();
  const other = new Files();
  const [one, two] = [files.image(['one'], tagged('t')), other.image(['two'])];
  await using directory = await temporary();
  await files.layout(one).writeDirectory(directory.file('d'));
  assert.equal((await openImage(`oci:${directory.file('d')}:t`, { host })).manifestDigest, one.digest);
  await other.layout(two).writeDirectory(directory.file('d:t'));
  assert.equal((await openImage(`oci:${directory.file('d')}:t`, { host })).manifestDigest, two.digest);
});

const arm64 = { os: 'linux', architecture: 'arm64' };
const amd64 = { os: 'linux', architecture: 'amd64' };
const attestation = { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } };
const unknown = { platform: { os: 'unknown', architecture: 'unknown' } };

/** An index of two platforms with attestations, as BuildKit writes it. */
function multiPlatform(files: Files) {
  const arm = files.image(['arm'], { config: arm64, platform: { ...arm64, variant: 'v8' } });
  const amd = files.image(['amd'], { config: amd64, platform: amd64 });
  const proof = files.image(['proof'], { ...attestation, ...unknown });
  return { arm, amd, proof, index: files.index([proof, arm, amd]) };
}

test('the platform chooses: the one asked for, or else the host', async () => {
  const files = new Files();
  const { arm, amd, proof, index } = multiPlatform(files);
  const asked = { platform: parsePlatform('linux/arm64/v8') };
  const byHand = { os: 'linux', architecture: 'aarch64', variant: undefined, osVersion: undefined };
  for (const manifests of [[index], [files.index([index])], [arm, amd, proof]]) {
    files.layout(...manifests);
    assert.equal((await openDirectory(files)).manifestDigest, amd.digest);
    const image = await openDirectory(files, '', asked);
    assert.equal(image.manifestDigest, arm.digest);
    assert.equal(image.platform.variant, 'v8');
    assert.equal((await openDirectory(files, '', { platform: byHand })).manifestDigest, arm.digest);
    assert.equal((await openDirectory(files, '', { host: byHand })).manifestDigest, arm.digest);
    const s390x = { platform: parsePlatform('linux/s390x') };
    await assert.rejects(
      openDirectory(files, '', s390x),
      shaleError('not-found', /linux\/s390x, only for linux\/arm64, linux\/amd64/),
    );
  }
  files.layout(index);
  assert.equal((await openDirectory(files, `@${arm.digest}`)).manifestDigest, arm.digest);
  assert.equal((await openDirectory(files, `@${index.digest}`, asked)).manifestDigest, arm.digest);
  await assert.rejects(
    openDirectory(files, `@${amd.digest}`, asked),
    shaleError('not-found', /only for linux\/amd64/),
  );
});

test('the only image is taken whatever its platform, unless another was asked for', async () => {
  const files = new Files();
  const bare = files.image(['arm'], { config: arm64 });
  const noPlatform = files.image(['none'], { config: { os: '', architecture: '' } });
  const proof = files.image(['proof'], { ...attestation, ...unknown });
  for (const entry of [bare, { ...bare, platform: arm64 }, files.index([bare, proof])]) {
    files.layout(entry);
    assert.equal((await openDirectory(files)).platform.architecture, 'arm64');
    const asked = { platform: parsePlatform('linux/amd64') };
    await assert.rejects(
      openDirectory(files, '', asked),
      shaleError('not-found', /amd64, only for linux\/arm64/),
    );
  }
  files.layout(noPlatform);
  const image = await openDirectory(files, '', { platform: parsePlatform('linux/amd64') });
  assert.equal(image.platform.architecture, 'unknown');
});

test('attestations and other artifacts alone are no image', async () => {
  const files = new Files();
  const { proof } = multiPlatform(files);
  const signature = files.image(['s'], { artifactType: 'application/x-signature' });
  const strange = files.blob('application/x-unheard-of', {});
  for (const entry of [
    proof,
    { ...proof, annotations: {} },
    { ...proof, platform: undefined },
    signature,
    strange,
  ]) {
    files.layout(entry);
    await assert.rejects(openDirectory(files), shaleError('not-found', /holds no image/));
    files.layout(files.index([entry]));
    await assert.rejects(openDirectory(files), shaleError('not-found', /holds no image/));
  }
  files.layout();
  await assert.rejects(openDirectory(files), shaleError('not-found', /holds no image/));
});

test('a chart is no image', async () => {
  const files = new Files();
  const config = files.blob('application/vnd.cncf.helm.config.v1+json', {});
  files.layout(files.image([], { manifest: { config } }));
  await assert.rejects(openDirectory(files), shaleError('unsupported', /helm/));
});

test('indexes in indexes end somewhere', async () => {
  const files = new Files();
  const image = files.image(['deep']);
  const wrap = (levels: number) => {
    let entry: Fields & { digest: string } = image;
    for (let level = 0; level < levels; level++) entry = files.index([entry]);
    return entry;
  };
  files.layout(wrap(8));
  assert.equal((await openDirectory(files)).manifestDigest, image.digest);
  assert.equal((await openDirectory(files, `@${image.digest}`)).manifestDigest, image.digest);
  files.layout(wrap(20));
  await assert.rejects(openDirectory(files), shaleError('invalid', /levels deep/));
  await assert.rejects(openDirectory(files, `@${image.digest}`), shaleError('invalid', /levels deep/));
});

test('a diamond of indexes is walked once, not 2^n times; a cycle cannot be proven and is corrupt', {
  timeout: 10_000,
}, async () => {
  const files = new Files();
  const image = files.image(['bottom']);
  let entry: Fields = image;
  for (let level = 0; level < 8; level++) entry = files.index(Array.from({ length: 30 }, () => entry));
  files.layout(entry);
  assert.equal((await openDirectory(files)).manifestDigest, image.digest);

  const name = 'ab'.repeat(32);
  const loop = { mediaType: mediaTypes.index, digest: `sha256:${name}`, size: 0 };
  const body = () => Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [loop] }));
  loop.size = 200;
  loop.size = body().length;
  const cyclic = new Files().put(`blobs/sha256/${name}`, body()).layout(loop);
  await assert.rejects(openDirectory(cyclic), shaleError('corrupt', /digest is/));
});

test('what is said twice must agree', async () => {
  const files = new Files();
  const image = files.image(['layer']);
  const config = [...files.map.keys()].find(name => files.map.get(name)!.includes('diff_ids'))!;
  const manifest = `blobs/sha256/${image.digest.slice(7)}`;
  const index = files.index([image]);
  const nested = `blobs/sha256/${index.digest.slice(7)}`;
  files.layout(index);
  await openDirectory(files);
  for (const name of [config, manifest, nested]) {
    const good = files.map.get(name)!;
    const flipped = Buffer.from(good.toString('latin1').replace(/[0-9a-f]"/, '?"'), 'latin1');
    assert.notDeepEqual(flipped, good);
    for (const bad of [flipped, Buffer.concat([good, Buffer.from(' ')]), good.subarray(1), Buffer.alloc(0)]) {
      files.put(name, bad);
      await assert.rejects(openDirectory(files), shaleError('corrupt', /corrupt/), name);
      await assert.rejects(openArchive('oci-archive', files.tar()), shaleError('corrupt', /corrupt/), name);
    }
    files.map.delete(name);
    await assert.rejects(openDirectory(files), shaleError('not-found', new RegExp(name)));
    files.put(name, good);
  }
  for (const size of [(image.size as number) + 1, 0, 5e6, 2 ** 53 - 1]) {
    files.layout({ ...image, size });
    await assert.rejects(openDirectory(files), shaleError('corrupt'));
  }
});

test('layers are looked for: size, presence, type', async () => {
  const files = new Files();
  const layer = files.blob(mediaTypes.layer, Buffer.from('layer'));
  const open = (...layers: Fields[]) => {
    files.layout(files.image(['layer'], { manifest: { layers } }));
    return openDirectory(files);
  };
  await open(layer);
  await assert.rejects(open({ ...layer, size: 4 }), shaleError('corrupt', /has 5 bytes, not 4/));
  await assert.rejects(open({ ...layer, size: 6 }), shaleError('corrupt', /has 5 bytes, not 6/));
  await assert.rejects(open(), shaleError('invalid', /0 layers.*1 diff_ids/));
  await assert.rejects(open(layer, layer), shaleError('invalid', /2 layers.*1 diff_ids/));
  await assert.rejects(
    open({ ...layer, mediaType: 'application/x' }),
    shaleError('unsupported', /application\/x/),
  );
  await assert.rejects(
    open({ ...layer, mediaType: `${mediaTypes.layer}+encrypted` }),
    shaleError('unsupported', /encrypted/),
  );
  const absent = { ...layer, digest: `sha256:${'0'.repeat(64)}` };
  await assert.rejects(open(absent), shaleError('not-found', /no blobs\/sha256\/0{64}, layer 1 of 1/));
  const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  await open({ ...layer, mediaType: foreign });
  await assert.rejects(open({ ...absent, mediaType: foreign }), shaleError('not-found', /not distributable/));
  await assert.rejects(
    open({ ...layer, digest: 'sha256:../../../etc/passwd' }),
    shaleError('invalid', /layers\[0\]\.digest/),
  );
});

test('no layers at all are an image too', async () => {
  const files = new Files();
  files.layout(files.image([]));
  assert.deepEqual((await openDirectory(files)).layers, []);
});

test('content in a descriptor is used, and verified', async () => {
  const files = new Files();
  const image = files.image(['layer']);
  const name = `blobs/sha256/${image.digest.slice(7)}`;
  const bytes = files.map.get(name)!;
  files.map.delete(name);
  files.layout({ ...image, data: bytes.toString('base64') });
  assert.equal((await openDirectory(files)).manifestDigest, image.digest);
  files.layout({ ...image, data: Buffer.concat([bytes, Buffer.from(' ')]).toString('base64') });
  await assert.rejects(openDirectory(files), shaleError('corrupt', /the data of/));
});

test('what is no layout says so, and what else it may be', async () => {
  const files = new Files();
  const image = files.image(['layer']);
  const broken: readonly (readonly [Files, Parameters<typeof shaleError>])[] = [
    [new Files().put('x', ''), ['invalid', /no oci-layout file/]],
    [new Files().put('manifest.json', []), ['invalid', /docker-archive:/]],
    [new Files().layout(image).put('oci-layout', '{'), ['invalid', /oci-layout is not valid JSON/]],
    [new Files().layout(image).put('oci-layout', {}), ['invalid', /imageLayoutVersion/]],
    [
      new Files().layout(image).put('oci-layout', { imageLayoutVersion: '2.0.0' }),
      ['unsupported', /"2\.0\.0"/],
    ],
    [new Files().put('oci-layout', { imageLayoutVersion: '1.0.0' }), ['not-found', /index\.json/]],
    [new Files().layout(image).put('index.json', 'x'), ['invalid', /index\.json is not valid JSON/]],
    [new Files().layout(image).put('index.json', { layers: [], config: image }), ['invalid', /no index/]],
    [new Files().layout(image).put('index.json', Buffer.alloc(5e6)), ['exhausted', /4194304/]],
    [
      new Files().layout({ ...image, digest: 'sha256:../../x' }),
      ['invalid', /index\.json\.manifests\[0\]\.digest/],
    ],
  ];
  for (const [files, [code, pattern]] of broken) {
    await assert.rejects(openDirectory(files), shaleError(code, pattern));
    await assert.rejects(openArchive('oci-archive', files.tar()), shaleError(code, pattern));
  }
});

test('blobs may be symlinks, but must be regular files', async () => {
  const files = new Files();
  const image = files.image(['layer']);
  files.layout(image);
  await using directory = await temporary();
  await files.writeDirectory(directory.path);
  const open = () => openImage(`oci:${directory.path}`, { host });
  const layer = directory.file(`blobs/sha256/${sha256('layer')}`);
  await rename(layer, directory.file('elsewhere'));
  await symlink('../../elsewhere', layer);
  assert.equal((await open()).layers[0]?.size, 5);
  await rm(layer);
  await mkdir(layer);
  await assert.rejects(open(), shaleError('invalid', /not a regular file/));
  await rm(layer, { recursive: true });
  await symlink('/dev/zero', layer);
  await assert.rejects(open(), shaleError('invalid', /not a regular file/));
  await rm(layer);
  await symlink('nowhere', layer);
  await assert.rejects(open(), shaleError('not-found'));
});

test('paths that are something else, or nothing', async () => {
  await using directory = await temporary();
  await writeFile(directory.file('file'), 'x');
  const open = (source: string) => openImage(source, { host });
  await assert.rejects(open(`oci:${directory.file('file')}`), shaleError('invalid', /oci-archive:/));
  await assert.rejects(open(`oci-archive:${directory.path}`), shaleError('invalid', /give oci:/));
  await assert.rejects(open(`docker-archive:${directory.path}`), shaleError('invalid', /takes a tar file/));
  await assert.rejects(open(`oci:${directory.file('none')}:tag`), shaleError('not-found', /none/));
  await assert.rejects(open(`oci:${directory.file('file')}/x`), shaleError('not-found'));
  await assert.rejects(open('oci-archive:/dev/null'), shaleError('invalid', /cannot be a pipe/));
});

test('an abort is honoured', async () => {
  const files = new Files();
  files.layout(files.image(['layer']));
  const signal = AbortSignal.abort();
  await assert.rejects(openDirectory(files, '', { signal }), shaleError('cancelled'));
  await using directory = await temporary();
  await writeFile(directory.file('a.tar'), files.tar());
  const controller = new AbortController();
  const opening = openImage(`oci-archive:${directory.file('a.tar')}`, { host, signal: controller.signal });
  controller.abort();
  await assert.rejects(opening, shaleError('cancelled'));
});
