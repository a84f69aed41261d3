import { createHash } from 'node:crypto';
import type { Digest } from '../oci/index.ts';

/** All that the bytes of an artifact depend on. */
export interface ArtifactKey {
  /** Of the image's manifest. */
  readonly manifest: Digest;
  /** `squashfs`, `tar`. */
  readonly format: string;
  /** Whatever changes the bytes; what is `undefined` is as if it were not there. */
  readonly options: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** Of Shale and of the codecs that take part: other versions may compress otherwise. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The name of the artifact: sha256, in hex, of the key as JSON with sorted fields and without spaces. */
export function formatArtifactKey({ manifest, format, options, versions }: ArtifactKey): string {
  const canonical = JSON.stringify({
    format,
    manifest,
    options: sorted(options),
    versions: sorted(versions),
  });
  return createHash('sha256').update(canonical).digest('hex');
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
