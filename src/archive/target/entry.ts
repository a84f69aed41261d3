import { type Descriptor, mediaTypes } from '../../oci/index.ts';

/** The annotations that carry names (OCI image-spec, annotations.md; containerd's). */
export const nameAnnotation = 'org.opencontainers.image.ref.name';
export const fullNameAnnotation = 'io.containerd.image.name';

export type JsonEntry = Readonly<Record<string, unknown>>;

/** An entry of index.json. Only what the content itself says goes in, so that any source gives the same bytes. */
export function formatEntry(
  { mediaType, digest, size, artifactType }: Descriptor,
  annotations: Readonly<Record<string, string>> = {},
): JsonEntry {
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

export function formatIndex(entries: readonly JsonEntry[], rest: JsonEntry = {}): Buffer {
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, ...rest, manifests: entries };
  return Buffer.from(JSON.stringify(index));
}

/** The marker file of a layout, OCI image-spec, image-layout.md. */
export const layoutMarker = Buffer.from('{"imageLayoutVersion":"1.0.0"}');
