/** A Docker manifest in OCI's form, against the media types that OCI image-spec's media-types.md gives as their equals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTwin, type Manifest, parseManifest } from '../../src/oci/index.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const docker = 'application/vnd.docker.';
const manifest = (mediaType: string, configType: string, layerTypes: readonly string[]) =>
  parseManifest(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: { mediaType: configType, digest: digest('a'), size: 10 },
        layers: layerTypes.map((mediaType, index) => ({
          ...{ mediaType, digest: digest(String(index)), size: index },
          ...(index === 1 && { urls: ['https://example.org/layer'] }),
        })),
      }),
    ),
  ) as Manifest;

test('types are OCI’s, digests, sizes and urls stay', () => {
  const layers = [
    ['image.rootfs.diff.tar.gzip', 'v1.tar+gzip'],
    ['image.rootfs.foreign.diff.tar.gzip', 'nondistributable.v1.tar+gzip'],
    ['image.rootfs.diff.tar', 'v1.tar'],
    ['image.rootfs.diff.tar.zstd', 'v1.tar+zstd'],
  ] as const;
  const types = layers.map(([type]) => docker + type);
  const own = manifest(`${docker}distribution.manifest.v2+json`, `${docker}container.image.v1+json`, types);
  const bytes = formatTwin(own);
  assert.ok(bytes);
  const twin = parseManifest(bytes) as Manifest;
  assert.equal(twin.mediaType, 'application/vnd.oci.image.manifest.v1+json');
  assert.equal(twin.config.mediaType, 'application/vnd.oci.image.config.v1+json');
  assert.deepEqual(
    twin.layers.map(({ mediaType }) => mediaType),
    layers.map(([, type]) => `application/vnd.oci.image.layer.${type}`),
  );
  const facts = ({ config, layers }: Manifest) =>
    [config, ...layers].map(({ digest, size, urls }) => ({ digest, size, urls }));
  assert.deepEqual(facts(twin), facts(own));
});

test('an OCI manifest needs none', () => {
  const own = manifest(
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.oci.image.config.v1+json',
    ['application/vnd.oci.image.layer.v1.tar'],
  );
  assert.equal(formatTwin(own), undefined);
});
