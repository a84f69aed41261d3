import { OciError } from './error.ts';

/** What the content behind a descriptor is. */
export type MediaType =
  | { readonly kind: 'manifest' | 'index' | 'config' | 'schema1' }
  | {
      readonly kind: 'layer';
      /** What the type claims; the bytes decide (ARCHITECTURE, "Merge semantics", rule 12). */
      readonly compression: 'none' | 'gzip' | 'zstd';
      /** True of foreign layers, which archives and registries may leave out. */
      readonly nondistributable: boolean;
    };

const layer = (compression: 'none' | 'gzip' | 'zstd', nondistributable = false): MediaType =>
  ({ kind: 'layer', compression, nondistributable }) as const;

/** The names that Shale writes or assumes where a document leaves them out. */
export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;

/** OCI image-spec media-types.md; Docker image manifest v2 schema 2, "Media Types". */
const table = new Map<string, MediaType>([
  [mediaTypes.manifest, { kind: 'manifest' }],
  [mediaTypes.index, { kind: 'index' }],
  [mediaTypes.config, { kind: 'config' }],
  [mediaTypes.layer, layer('none')],
  ['application/vnd.oci.image.layer.v1.tar+gzip', layer('gzip')],
  ['application/vnd.oci.image.layer.v1.tar+zstd', layer('zstd')],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', layer('none', true)],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', layer('gzip', true)],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', layer('zstd', true)],
  [mediaTypes.dockerManifest, { kind: 'manifest' }],
  ['application/vnd.docker.distribution.manifest.list.v2+json', { kind: 'index' }],
  [mediaTypes.dockerConfig, { kind: 'config' }],
  // Docker 1.10 pushed its configs under this name, and such images are still around.
  ['application/octet-stream', { kind: 'config' }],
  [mediaTypes.dockerLayer, layer('none')],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', layer('gzip')],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', layer('zstd')],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar', layer('none', true)],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', layer('gzip', true)],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.zstd', layer('zstd', true)],
  ['application/vnd.docker.distribution.manifest.v1+json', { kind: 'schema1' }],
  ['application/vnd.docker.distribution.manifest.v1+prettyjws', { kind: 'schema1' }],
]);

/** `undefined` for a type that is no part of an image; never fails. */
export function findMediaType(text: string): MediaType | undefined {
  return table.get(text);
}

/** The type of a layer; OciError `unsupported` if it is encrypted or not a filesystem layer that is known. */
export function parseLayerType(text: string): MediaType & { kind: 'layer' } {
  const type = table.get(text);
  if (type?.kind === 'layer') return type;
  if (text.endsWith('+encrypted')) {
    throw new OciError('unsupported', `a layer is encrypted (${text})`, {
      detail: { mediaType: text },
      hint: 'decrypt the image first, for instance with skopeo copy --decryption-key',
    });
  }
  throw new OciError('unsupported', `${JSON.stringify(text)} is not the media type of a filesystem layer`, {
    detail: { mediaType: text },
  });
}
