import { type Digest, parseDigest } from './digest.ts';
import type { JsonView } from './json.ts';
import { type Platform, readPlatform } from './platform.ts';

/** What names a blob: what it is, its digest and its exact size in bytes (OCI image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where else the content may be had: foreign layers have these. Any text, from outside. */
  readonly urls: readonly string[];
  /** Only in an index. */
  readonly platform: Platform | undefined;
  readonly artifactType: string | undefined;
  /** The content itself, base64, as the document has it: not verified yet. */
  readonly data: string | undefined;
}

/** OciError `invalid` for a missing or malformed field. */
export function readDescriptor(view: JsonView): Descriptor {
  const platform = view.optionalObject('platform');
  return {
    mediaType: view.string('mediaType'),
    digest: parseDigest(view.string('digest'), `${view.where}.digest`),
    size: view.size('size'),
    annotations: view.record('annotations'),
    urls: view.strings('urls'),
    platform: platform === undefined ? undefined : readPlatform(platform),
    artifactType: view.optionalString('artifactType'),
    data: view.optionalString('data'),
  };
}
