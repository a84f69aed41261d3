import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes, parseLayerType, parseManifest, requireImage } from '../../src/oci/index.ts';
import { shaleError } from './throws.ts';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const digest = `sha256:${'ab'.repeat(32)}`;
const config = { mediaType: mediaTypes.config, digest, size: 2 };
const layer = { mediaType: mediaTypes.layer, digest, size: 1024, annotations: { a: 'b' } };
const manifest = { schemaVersion: 2, config, layers: [layer] };
const index = { schemaVersion: 2, manifests: [{ mediaType: mediaTypes.manifest, digest, size: 3 }] };
const parse = (value: unknown, type?: string) => parseManifest(bytes(value), type);

test('a manifest is read, unknown fields are kept', () => {
  const read = parse({ ...manifest, annotations: { x: 'y' }, future: [1] }, mediaTypes.manifest);
  assert.ok(read.kind === 'manifest');
  assert.equal(read.config.digest, digest);
  assert.deepEqual(read.layers[0]?.annotations, { a: 'b' });
  assert.equal(read.layers[0]?.size, 1024);
  assert.deepEqual(read.annotations, { x: 'y' });
  assert.deepEqual(read.fields.future, [1]);
  requireImage(read);
});

test('a descriptor has the urls of a foreign layer, or none', () => {
  const urls = ['https://example.com/layer', 'any text'];
  const read = parse({ ...manifest, layers: [{ ...layer, urls }, layer, { ...layer, urls: null }] });
  assert.ok(read.kind === 'manifest');
  assert.deepEqual(
    read.layers.map(descriptor => descriptor.urls),
    [urls, [], []],
  );
  const wrong = [
    { ...layer, urls: 'https://example.com/' },
    { ...layer, urls: [1] },
  ];
  for (const one of wrong)
    assert.throws(() => parse({ ...manifest, layers: [one] }), shaleError('invalid', /urls/));
});

test('an index is read, with platforms; empty ones say nothing', () => {
  const [manifest] = index.manifests;
  const platforms = [{ os: 'linux', architecture: 'arm64' }, { os: '', architecture: '' }, undefined];
  const read = parse({ ...index, manifests: platforms.map(platform => ({ ...manifest, platform })) });
  assert.ok(read.kind === 'index');
  assert.deepEqual(
    read.manifests.map(entry => entry.platform?.variant),
    ['v8', undefined, undefined],
  );
  assert.deepEqual(
    read.manifests.map(entry => entry.platform?.os),
    ['linux', undefined, undefined],
  );
});

test('lists that Go wrote as null are empty', () => {
  assert.deepEqual(parse({ ...manifest, layers: null }), {
    ...parse({ ...manifest, layers: [] }),
    fields: { ...manifest, layers: null },
  });
  const read = parse({ schemaVersion: 2, manifests: null });
  assert.ok(read.kind === 'index' && read.manifests.length === 0);
});

test('Docker schema 2 is the same by other names', () => {
  const type = 'application/vnd.docker.distribution.manifest.v2+json';
  assert.equal(parse({ ...manifest, mediaType: type }, type).kind, 'manifest');
  const list = 'application/vnd.docker.distribution.manifest.list.v2+json';
  assert.equal(parse({ ...index, mediaType: list }, list).kind, 'index');
});

test('a document that could be read in two ways is refused', () => {
  const ambiguous: readonly (readonly [unknown, string?])[] = [
    [{ ...manifest, ...index }],
    [{ ...index, config }],
    [{ ...index, layers: [] }],
    [{ ...manifest, manifests: [] }],
    [{ ...manifest, mediaType: mediaTypes.index }],
    [{ ...index, mediaType: mediaTypes.manifest }],
    [manifest, mediaTypes.index],
    [index, mediaTypes.manifest],
    [manifest, mediaTypes.config],
    [{ ...manifest, mediaType: 'application/x' }],
  ];
  for (const [value, type] of ambiguous) {
    assert.throws(() => parse(value, type), shaleError('invalid'), JSON.stringify([value, type]));
  }
});

test('Docker schema 1 is named for what it is', () => {
  const old = { schemaVersion: 1, name: 'x', fsLayers: [], history: [] };
  assert.throws(() => parse(old), shaleError('unsupported', /schema 1.*skopeo copy/));
  const type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
  assert.throws(() => parse(manifest, type), shaleError('unsupported', /schema 1/));
  assert.throws(
    () => parse({ ...manifest, schemaVersion: 3 }),
    shaleError('unsupported', /schemaVersion is 3/),
  );
});

test('every needed field is checked, and the error says which', () => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /not a JSON object/],
    [[], /not a JSON object/],
    ['x', /not a JSON object/],
    [{}, /neither layers nor manifests/],
    [{ ...manifest, config: undefined }, /manifest\.config is not an object/],
    [{ ...manifest, config: 'x' }, /manifest\.config is not a JSON object/],
    [{ ...manifest, layers: {} }, /manifest\.layers is not a list/],
    [{ ...manifest, layers: [layer, null] }, /manifest\.layers\[1\] is not a JSON object/],
    [{ ...manifest, layers: [{ ...layer, digest: 'sha256:../../x' }] }, /layers\[0\]\.digest/],
    [{ ...manifest, layers: [{ ...layer, digest: 7 }] }, /layers\[0\]\.digest/],
    [{ ...manifest, layers: [{ ...layer, mediaType: undefined }] }, /layers\[0\]\.mediaType/],
    ...[-1, 1.5, '1', 2 ** 53, undefined].map(
      size => [{ ...manifest, layers: [{ ...layer, size }] }, /layers\[0\]\.size/] as const,
    ),
    [{ ...manifest, annotations: { a: 1 } }, /annotations\["a"\]/],
    [{ ...manifest, schemaVersion: '2' }, /schemaVersion/],
  ];
  for (const [value, pattern] of wrong) assert.throws(() => parse(value), shaleError('invalid', pattern));
});

test('bytes that are no JSON, no UTF-8 or far too many', () => {
  for (const text of ['', '{', '\ufeff{}', '{"a":1}x', '['.repeat(100_000)]) {
    assert.throws(() => parseManifest(Buffer.from(text)), shaleError('invalid', /JSON/));
  }
  assert.throws(() => parseManifest(Buffer.from('{"a":"\xff"}', 'latin1')), shaleError('invalid', /JSON/));
  assert.throws(
    () => parseManifest(Buffer.alloc(4 * 1024 * 1024 + 1, 0x20)),
    shaleError('exhausted', /4194304/),
  );
});

test('a prototype is no field', () => {
  assert.throws(
    () => parseManifest(Buffer.from('{"__proto__":{"layers":[],"config":{}}}')),
    shaleError('invalid', /neither/),
  );
});

test('an artifact is no image', () => {
  const helm = parse({
    ...manifest,
    config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' },
  });
  assert.ok(helm.kind === 'manifest');
  assert.throws(() => requireImage(helm), shaleError('unsupported', /helm/));
});

test('layer media types', () => {
  const types: readonly (readonly [string, string, boolean])[] = [
    ['application/vnd.oci.image.layer.v1.tar', 'none', false],
    ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip', false],
    ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd', false],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip', true],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip', false],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip', true],
  ];
  for (const [text, compression, nondistributable] of types) {
    assert.deepEqual(parseLayerType(text), { kind: 'layer', compression, nondistributable });
  }
  assert.throws(
    () => parseLayerType('application/vnd.oci.image.layer.v1.tar+gzip+encrypted'),
    shaleError('unsupported', /encrypted.*decrypt/),
  );
  for (const text of [
    '',
    'application/x',
    mediaTypes.config,
    'application/vnd.oci.image.layer.v1.tar+brotli',
  ]) {
    assert.throws(() => parseLayerType(text), shaleError('unsupported'));
  }
});
