import type { Manifest } from './manifest.ts';
import { findMediaType, mediaTypes } from './media-type.ts';

const dockerPrefix = 'application/vnd.docker.';

/**
 * The same image as an OCI manifest, for tools that read nothing else in a layout: of one of Docker's schema 2, with the same
 * config and layers; `undefined` of any other. A function of the manifest alone.
 */
export function formatTwin({ mediaType, config, layers, annotations }: Manifest): Uint8Array | undefined {
  if (mediaType !== mediaTypes.dockerManifest) return undefined;
  const part = (descriptor: Manifest['config'], type: string) => {
    const { digest, size, urls, annotations } = descriptor;
    return {
      mediaType: type,
      ...{ digest, size },
      ...(urls.length > 0 && { urls }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    };
  };
  const twin = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: part(config, mediaTypes.config),
    layers: layers.map(layer => part(layer, layerType(layer.mediaType))),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
  return Buffer.from(JSON.stringify(twin));
}

function layerType(text: string): string {
  const type = findMediaType(text);
  if (!text.startsWith(dockerPrefix) || type?.kind !== 'layer') return text;
  const name = type.nondistributable
    ? 'application/vnd.oci.image.layer.nondistributable.v1.tar'
    : mediaTypes.layer;
  return type.compression === 'none' ? name : `${name}+${type.compression}`;
}
