import { createHash } from 'node:crypto';
import type { ChangesLayer } from '../layer/index.ts';
import {
  type Descriptor,
  type Digest,
  formatTwin,
  type ImageConfig,
  type JsonObject,
  type Manifest,
  mediaTypes,
  parseDigest,
  parseManifest,
} from '../oci/index.ts';
import type { Timestamp } from '../tree/index.ts';
import { applyInstructions } from './instruction.ts';

/** A document as it is stored. */
export interface NewDocument {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly size: number;
}

export interface ConfigChanges {
  readonly created: Timestamp;
  readonly author?: string | undefined;
  readonly message?: string | undefined;
  /** What the history says has made the layer; `shale commit` if absent. */
  readonly createdBy?: string | undefined;
  /** Instructions of a Dockerfile. */
  readonly changes?: readonly string[] | undefined;
}

/** What Docker keeps of the container that an image was once made of; of another one it says nothing. */
const stale = ['container', 'container_config', 'id', 'parent'];

/** The config of the image with one layer more. Fields that Shale does not know stay. */
export function formatConfig(base: ImageConfig, layer: ChangesLayer, given: ConfigChanges): NewDocument {
  const created = formatTime(given.created);
  const { author, message, changes = [], createdBy = 'shale commit' } = given;
  const history = {
    created,
    created_by: createdBy,
    ...(author !== undefined && { author }),
    ...(message !== undefined && { comment: message }),
  };
  const old = base.fields;
  const fields: Record<string, unknown> = {
    ...old,
    created,
    ...(author !== undefined && { author }),
    config: applyInstructions(base.execution, changes),
    rootfs: { ...(old.rootfs as JsonObject), type: 'layers', diff_ids: [...base.diffIds, layer.diffId] },
    history: [...((old.history as readonly unknown[] | null | undefined) ?? []), history],
  };
  for (const name of stale) delete fields[name];
  return document(fields);
}

/**
 * The manifest, OCI's, with the parent's layers as they are; those of a Docker manifest under OCI's names. The
 * parent's annotations were about the parent.
 */
export function formatManifest(base: Manifest, config: NewDocument, layer: ChangesLayer): NewDocument {
  return document({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: config.digest, size: config.size },
    layers: [...ociLayers(base).map(plain), plain({ ...layer, urls: [], annotations: {} })],
  });
}

/** A manifest's layers under OCI's media types. */
export function ociLayers(manifest: Manifest): readonly Descriptor[] {
  const twin = formatTwin(manifest);
  if (twin === undefined) return manifest.layers;
  const parsed = parseManifest(twin);
  return parsed.kind === 'manifest' ? parsed.layers : [];
}

function plain(
  layer: Pick<Descriptor, 'mediaType' | 'digest' | 'size' | 'urls' | 'annotations'>,
): JsonObject {
  const { mediaType, digest, size, urls, annotations } = layer;
  return {
    ...{ mediaType, digest, size },
    ...(urls.length > 0 && { urls }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
}

function document(fields: JsonObject): NewDocument {
  const bytes = Buffer.from(JSON.stringify(fields));
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  return { bytes, digest, size: bytes.length };
}

/** RFC 3339, with a fraction only where there is one. */
function formatTime({ seconds, nanoseconds }: Timestamp): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds).padStart(9, '0').replace(/0+$/, '');
  return `${whole}${fraction === '' ? '' : `.${fraction}`}Z`;
}
