import {
  type Descriptor,
  type Digest,
  documentLimit,
  JsonView,
  parseJson,
  parseManifest,
  readDescriptor,
} from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { itself } from './failover.ts';
import { digestOf, plainDescriptor } from './manifest.ts';
import type { CallOptions, RepositoryName } from './options.ts';
import { putManifest } from './put-manifest.ts';
import { addReferrer } from './referrers-tag.ts';
import type { Session } from './session.ts';

export interface PushManifestOptions extends CallOptions {
  /** Else it can be had by its digest only. */
  readonly tag?: string | undefined;
}

/**
 * Puts a manifest or an index into a repository; what it refers to has to be there before. If it has a subject and the
 * registry does not keep referrers, the tag that stands in for them is updated.
 */
export async function pushManifest(
  session: Session,
  name: RepositoryName,
  bytes: Uint8Array,
  mediaType: string,
  options: PushManifestOptions = {},
): Promise<Descriptor> {
  if (bytes.length > documentLimit) {
    throw new RegistryError(
      'exhausted',
      `a manifest of ${bytes.length} bytes is over the limit of ${documentLimit}`,
    );
  }
  const digest = digestOf(bytes);
  const remote = await itself(session, { ...name, digest }, 'push');
  const kept = await putManifest(remote, options.tag ?? digest, bytes, mediaType, options);
  const subject = readSubject(bytes);
  if (subject !== undefined && !kept) {
    await addReferrer(session, name, subject.digest, describe(bytes, mediaType, digest), options);
  }
  return plainDescriptor(mediaType, digest, bytes.length);
}

function readSubject(bytes: Uint8Array): Descriptor | undefined {
  const subject = new JsonView(parseJson(bytes, 'manifest'), 'manifest').optionalObject('subject');
  return subject === undefined ? undefined : readDescriptor(subject);
}

/** As an entry of a referrers index (distribution-spec, "Pushing Manifests with Subject"). */
function describe(bytes: Uint8Array, mediaType: string, digest: Digest): Descriptor {
  const manifest = parseManifest(bytes, mediaType);
  const artifactType =
    manifest.artifactType ?? (manifest.kind === 'manifest' ? manifest.config.mediaType : undefined);
  return {
    ...plainDescriptor(mediaType, digest, bytes.length),
    annotations: manifest.annotations,
    artifactType,
  };
}
