import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlatform } from '../../src/oci/index.ts';
import { shaleError } from '../oci/throws.ts';
import { type Fields, Files, member, openArchive, sha256 } from './fixture.ts';

/** Adds an image as Docker saved them before version 25, and gives its element of manifest.json. */
function save(
  files: Files,
  name: string,
  layers: readonly string[],
  tags: readonly string[] | null,
  config: Fields = {},
) {
  const rootfs = { type: 'layers', diff_ids: layers.map(text => `sha256:${sha256(text)}`) };
  const bytes = JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs, comment: name, ...config });
  files.put(`${sha256(bytes)}.json`, bytes);
  const paths = layers.map(text => `${sha256(text + name)}/layer.tar`);
  for (const [position, text] of layers.entries()) files.put(paths[position]!, text);
  return { Config: `${sha256(bytes)}.json`, RepoTags: tags, Layers: paths };
}

const open = (files: Files, suffix = '', platform?: string) =>
  openArchive(
    'docker-archive',
    files.tar(),
    suffix,
    platform === undefined ? {} : { platform: parsePlatform(platform) },
  );

test('an image is opened, its layers lie where it says', async () => {
  const files = new Files();
  const saved = save(files, 'a', ['one', 'two'], ['repo:1']);
  files.put('manifest.json', [saved]);
  const image = await open(files);
  assert.equal(image.configDigest, `sha256:${saved.Config.slice(0, 64)}`);
  assert.equal(image.manifestDigest, undefined);
  assert.equal(image.platform.architecture, 'amd64');
  const tar = files.tar();
  for (const [position, text] of ['one', 'two'].entries()) {
    const { digest, diffId } = image.layers[position]!;
    const blob = await image.layers[position]!.locate();
    assert.equal(tar.toString('utf8', blob.offset, blob.offset + blob.size), text);
    assert.equal(digest, undefined);
    assert.equal(diffId, `sha256:${sha256(text)}`);
  }
});

test('references and positions choose', async () => {
  const files = new Files();
  const images = [
    save(files, 'a', ['a'], ['nginx:latest', 'docker.io/foo/bar:1']),
    save(files, 'b', ['b'], ['localhost:5000/x:2', 'Odd Tag']),
    save(files, 'c', ['c'], null),
  ];
  files.put('manifest.json', images);
  const which = async (suffix: string) => {
    const { configDigest } = await open(files, suffix);
    return images.findIndex(({ Config }) => configDigest === `sha256:${Config.slice(0, 64)}`);
  };
  assert.equal(await which(':nginx'), 0);
  assert.equal(await which(':nginx:latest'), 0);
  assert.equal(await which(':docker.io/library/nginx:latest'), 0);
  assert.equal(await which(':foo/bar:1'), 0);
  assert.equal(await which(':localhost:5000/x:2'), 1);
  assert.equal(await which(':Odd Tag'), 1);
  for (const position of [0, 1, 2]) assert.equal(await which(`:@${position}`), position);
  await assert.rejects(
    which(''),
    shaleError('invalid', /holds 3 images.*N from 0 to 2.*nginx:latest, docker\.io\/foo\/bar:1/),
  );
  for (const suffix of [':foo/bar', ':nginx:1', ':@3', ':@-1', ':@x', ':@']) {
    await assert.rejects(which(suffix), shaleError('not-found', /choose one/), suffix);
  }
});

test('one reference for several platforms is chosen by platform', async () => {
  const files = new Files();
  const arm = save(files, 'arm', ['arm'], ['x:1'], { architecture: 'arm64' });
  files.put('manifest.json', [arm, save(files, 'amd', ['amd'], ['x:1'])]);
  assert.equal((await open(files, ':x:1')).platform.architecture, 'amd64');
  assert.equal((await open(files, ':x:1', 'linux/arm64')).configDigest, `sha256:${arm.Config.slice(0, 64)}`);
  await assert.rejects(
    open(files, ':x:1', 'linux/s390x'),
    shaleError('not-found', /linux\/arm64, linux\/amd64/),
  );
  await assert.rejects(open(files, ':@0', 'linux/amd64'), shaleError('not-found', /only for linux\/arm64/));
  assert.equal((await open(files, ':@0')).platform.architecture, 'arm64');
});

test('layers may be links, as old Dockers and skopeo write them', async () => {
  const files = new Files();
  const saved = save(files, 'a', ['data'], null);
  const [layer] = saved.Layers;
  const data = files.map.get(layer!)!;
  files.map.delete(layer!);
  const end = Buffer.alloc(1024);
  const tar = (Layers: string[], ...links: Buffer[]) =>
    Buffer.concat([
      member('real/layer.tar', data),
      ...links,
      files.put('manifest.json', [{ ...saved, Layers }]).tar(),
      end,
    ]);
  const good: Buffer[] = [
    tar(['l/layer.tar'], member('l/layer.tar', '', { type: '2', link: '../real/layer.tar' })),
    tar(['l/layer.tar'], member('l/layer.tar', '', { type: '2', link: '/real/layer.tar' })),
    tar(['l/layer.tar'], member('l/layer.tar', '', { type: '1', link: 'real/layer.tar' })),
    tar(['l/layer.tar'], member('l/layer.tar', '', { type: '1', link: 'real/layer.tar', size: 4 })),
    tar(
      ['l'],
      member('l', '', { type: '2', link: 'm' }),
      member('m', '', { type: '2', link: './real//layer.tar' }),
    ),
  ];
  for (const bytes of good) {
    const blob = await (await openArchive('docker-archive', bytes)).layers[0]!.locate();
    assert.equal(bytes.toString('utf8', blob.offset, blob.offset + blob.size), 'data');
  }
  const loop = tar(
    ['l'],
    member('l', '', { type: '2', link: 'm' }),
    member('m', '', { type: '2', link: 'l' }),
  );
  await assert.rejects(openArchive('docker-archive', loop), shaleError('invalid', /loop/));
  const climb = tar(['l'], member('l', '', { type: '2', link: '../../etc/passwd' }));
  await assert.rejects(openArchive('docker-archive', climb), shaleError('not-found', /layer 1 of 1/));
  const early = tar(['l'], member('l', '', { type: '1', link: 'later' }), member('later', data));
  await assert.rejects(openArchive('docker-archive', early), shaleError('invalid', /hardlink to nothing/));
  const directory = tar(['real'], member('real/', '', { type: '5' }));
  await assert.rejects(openArchive('docker-archive', directory), shaleError('invalid', /directory/));
});

test("the layout that newer Dockers save beside it names the layers' digests", async () => {
  const files = new Files();
  const image = files.image(['a', 'b'], {});
  const layers = ['a', 'b'].map(text => `blobs/sha256/${sha256(text)}`);
  const config = [...files.map.keys()].find(name => files.map.get(name)!.includes('diff_ids'))!;
  files.layout(image).put('manifest.json', [{ Config: config, RepoTags: ['x:1'], Layers: layers }]);
  const saved = await open(files, ':x:1');
  const layout = await openArchive('oci-archive', files.tar());
  assert.deepEqual(
    saved.layers.map(layer => layer.digest),
    layout.layers.map(layer => layer.digest),
  );
  assert.equal(saved.configDigest, layout.configDigest);
  assert.ok(saved.layers.every(layer => layer.digest !== undefined));
});

test('a config that is not what its name says is corrupt; a plain name is computed', async () => {
  const files = new Files();
  const saved = save(files, 'a', ['a'], null);
  files.put('manifest.json', [saved]);
  const bytes = files.map.get(saved.Config)!;
  files.put(saved.Config, `${bytes} `);
  await assert.rejects(open(files), shaleError('corrupt', /digest is/));
  files.put('config.json', bytes).put('manifest.json', [{ ...saved, Config: 'config.json' }]);
  assert.equal((await open(files)).configDigest, `sha256:${sha256(bytes)}`);
});

test('what is malformed says where', async () => {
  const files = new Files();
  const saved = save(files, 'a', ['a'], null);
  const broken: readonly (readonly [unknown, Parameters<typeof shaleError>])[] = [
    [{}, ['invalid', /manifest\.json is not a list/]],
    [[], ['not-found', /no image/]],
    [[null], ['invalid', /manifest\.json\[0\] is not a JSON object/]],
    [[{ ...saved, Config: undefined }], ['invalid', /manifest\.json\[0\]\.Config/]],
    [[{ ...saved, Layers: [1] }], ['invalid', /Layers\[0\]/]],
    [[{ ...saved, Layers: [] }], ['invalid', /0 layers.*1 diff_ids/]],
    [[{ ...saved, Layers: ['none'] }], ['not-found', /no none, layer 1 of 1/]],
    [[{ ...saved, Layers: ['../../etc/passwd'] }], ['not-found', /layer 1 of 1/]],
    [[{ ...saved, Config: 'none' }], ['not-found', /no none, the config/]],
  ];
  for (const [value, [code, pattern]] of broken) {
    files.put('manifest.json', value as object);
    await assert.rejects(open(files), shaleError(code, pattern), JSON.stringify(value));
  }
  await assert.rejects(open(new Files().put('x', '')), shaleError('invalid', /no manifest\.json/));
  await assert.rejects(
    open(new Files().put('repositories', '{}')),
    shaleError('unsupported', /older than 1\.10/),
  );
  const layout = new Files();
  await assert.rejects(open(layout.layout(layout.image([]))), shaleError('invalid', /oci-archive:/));
});
