import { createHash } from 'node:crypto';
import type { Digest } from '../oci/index.ts';

/**
 * What an artifact was made of, and so whose fate it shares: an image, by its manifest, or one layer, by its diffID, for
 * all images that have it.
 */
export type ArtifactSubject =
  | { readonly manifest: Digest; readonly diffId?: undefined }
  | { readonly diffId: Digest; readonly manifest?: undefined };

/** All that the bytes of an artifact depend on. */
export type ArtifactKey = ArtifactSubject & {
  /** `squashfs`, `tar`, `erofs-layer`. */
  readonly format: string;
  /** Whatever changes the bytes; what is `undefined` is as if it were not there. */
  readonly options: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** Of Shale and of the codecs that take part: other versions may compress otherwise. */
  readonly versions: Readonly<Record<string, string>>;
};

/** The name of the artifact: sha256, in hex, of its key as `describeArtifactKey` has it. */
export function formatArtifactKey(key: ArtifactKey): string {
  return createHash('sha256').update(describeArtifactKey(key)).digest('hex');
}

/** The key as JSON with sorted fields and without spaces. */
export function describeArtifactKey(key: ArtifactKey): string {
  const { manifest, diffId, format, options, versions } = key;
  return JSON.stringify(
    sorted({ diffId, format, manifest, options: sorted(options), versions: sorted(versions) }),
  );
}

/** The digest that images and leases keep it by. */
export function subjectDigest({ manifest, diffId }: ArtifactSubject): Digest {
  return manifest ?? diffId!;
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
