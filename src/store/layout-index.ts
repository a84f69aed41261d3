import { readFileSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import {
  type Descriptor,
  type Digest,
  JsonView,
  mediaTypes,
  parseDigest,
  parseJson,
  parsePlatform,
  readDescriptor,
} from '../oci/index.ts';
import type { StoredImage } from './image.ts';

/** The name that other tools go by (OCI image-spec, annotations.md). */
const nameKey = 'org.opencontainers.image.ref.name';
/** Ours, so that a lost database can be had again: of each entry, those without a name too. */
const ownKey = 'dev.shale.image';

/**
 * The text of index.json. It names manifests of single images, never an index: of an index only one platform's blobs are
 * here, and tools that read a layout expect all of what it names. A name may stand once, or they refuse it as
 * ambiguous, so of several platforms the one pulled last has it.
 */
export function formatLayoutIndex(images: readonly StoredImage[]): Buffer {
  const named = new Map(images.map(image => [image.reference, image]));
  const manifests = images.map(image => {
    const {
      reference,
      target,
      pulled,
      manifest: digest,
      manifestSize: size,
      manifestType: mediaType,
    } = image;
    const manifest = { mediaType, digest, size };
    const listed = image.twin === undefined ? manifest : { mediaType: mediaTypes.manifest, ...image.twin };
    const { os, architecture, variant } = parsePlatform(image.platform);
    const own = JSON.stringify({ reference, target, pulled, ...(image.twin && { manifest }) });
    return {
      ...listed,
      platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
      annotations: { ...(named.get(reference) === image ? { [nameKey]: reference } : {}), [ownKey]: own },
    };
  });
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
  return Buffer.from(`${JSON.stringify(index, undefined, 1)}\n`);
}

/** What an entry of index.json says of an image beyond its descriptor. */
export interface IndexedImage {
  readonly descriptor: Descriptor;
  readonly reference: string;
  readonly target: Digest;
  readonly pulled: Date;
  /** What the descriptor names is this one's twin. */
  readonly manifest:
    | { readonly mediaType: string; readonly digest: Digest; readonly size: number }
    | undefined;
}

/** The entries that Shale wrote; others, and what cannot be read, are left out. Empty if there is no index.json. */
export function readLayoutIndex(path: string): IndexedImage[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
  try {
    return new JsonView(parseJson(bytes, path), path).objects('manifests').flatMap(readEntry);
  } catch {
    return [];
  }
}

function readEntry(view: JsonView): IndexedImage[] {
  try {
    const descriptor = readDescriptor(view);
    const own = new JsonView(JSON.parse(descriptor.annotations[ownKey] ?? ''), ownKey);
    const original = own.optionalObject('manifest');
    return [
      {
        descriptor,
        reference: own.string('reference'),
        target: parseDigest(own.string('target')),
        pulled: new Date(own.string('pulled')),
        manifest: original && readDescriptor(original),
      },
    ];
  } catch {
    return [];
  }
}
