import { type Descriptor, readDescriptor } from './descriptor.ts';
import { OciError } from './error.ts';
import { type JsonObject, JsonView, parseJson } from './json.ts';
import { findMediaType, mediaTypes } from './media-type.ts';

interface Document {
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly artifactType: string | undefined;
  /** The whole document, unknown fields too. */
  readonly fields: JsonObject;
}

/** One image: its config and its layers, oldest first (OCI image-spec, manifest.md; Docker schema 2). */
export interface Manifest extends Document {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Images for several platforms, or anything else that has a manifest (OCI image-spec, image-index.md). */
export interface Index extends Document {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/**
 * Reads a manifest or an index. `mediaType` is what the descriptor that led here says; a document that names
 * another kind of type, or that has the fields of both kinds, could be read as two different images and is `invalid`
 * (CVE-2021-41190). Docker schema 1: `unsupported`. Above 4 MiB: `exhausted`.
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string, where = 'manifest'): Manifest | Index {
  const view = new JsonView(parseJson(bytes, where), where);
  const own = view.optionalString('mediaType') || undefined;
  const version = view.optionalNumber('schemaVersion');
  const claimed = [mediaType, own].map(type => (type === undefined ? undefined : findMediaType(type)?.kind));
  if (version === 1 || view.has('fsLayers') || claimed.includes('schema1')) {
    throw new OciError(
      'unsupported',
      `${where} is a Docker schema 1 manifest, which names no uncompressed layers`,
      {
        hint: 'convert the image first: skopeo copy --format oci writes a current one',
      },
    );
  }
  if (version !== undefined && version !== 2) {
    throw new OciError('unsupported', `${where}.schemaVersion is ${version}, not 2`);
  }
  const image = view.has('layers') || view.has('config');
  if (image && view.has('manifests')) {
    throw new OciError('invalid', `${where} has the fields of a manifest and of an index: it is ambiguous`);
  }
  if (!image && !['layers', 'manifests'].some(key => Object.hasOwn(view.fields, key))) {
    throw new OciError('invalid', `${where} has neither layers nor manifests`);
  }
  const kind = image || !Object.hasOwn(view.fields, 'manifests') ? 'manifest' : 'index';
  for (const [index, type] of [mediaType, own].entries()) {
    if (type === undefined || claimed[index] === kind) continue;
    const from = index === 0 ? 'its descriptor' : 'its mediaType';
    throw new OciError(
      'invalid',
      `${where} has the fields of ${named[kind]}, but ${from} says ${JSON.stringify(type)}`,
    );
  }
  const shared = {
    annotations: view.record('annotations'),
    artifactType: view.optionalString('artifactType'),
    fields: view.fields,
  };
  if (kind === 'index') {
    const manifests = view.objects('manifests').map(readDescriptor);
    return { kind, mediaType: own ?? mediaType ?? mediaTypes.index, manifests, ...shared };
  }
  const config = readDescriptor(view.object('config'));
  const layers = view.objects('layers').map(readDescriptor);
  return { kind, mediaType: own ?? mediaType ?? mediaTypes.manifest, config, layers, ...shared };
}

const named = { manifest: 'a manifest', index: 'an index' } as const;

/** Checks that a manifest is a container image; another artifact (a chart, a signature): OciError `unsupported`. */
export function requireImage(manifest: Manifest, where = 'manifest'): void {
  const { mediaType } = manifest.config;
  if (findMediaType(mediaType)?.kind === 'config') return;
  const type = manifest.artifactType ?? mediaType;
  throw new OciError(
    'unsupported',
    `${where} is not a container image but an artifact of type ${JSON.stringify(type)}`,
  );
}
