import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  mediaTypes,
  parseManifest,
} from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { itself } from './failover.ts';
import { fetchFrom } from './manifest.ts';
import type { CallOptions, RepositoryName } from './options.ts';
import { putManifest } from './put-manifest.ts';
import type { Session } from './session.ts';

/** Where referrers are listed in registries without an API for them (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest).slice(0, 32)}-${digestHex(digest).slice(0, 64)}`;
}

/** What the tag lists; empty if there is no such tag. What is there instead of an index: OciError or RegistryError `invalid`. */
export async function readReferrersTag(
  session: Session,
  name: RepositoryName,
  digest: Digest,
  options: CallOptions,
): Promise<readonly Descriptor[]> {
  const tag = referrersTag(digest);
  try {
    // A mirror may be behind, and an update that begins with an old list would lose entries.
    const remote = await itself(session, { ...name, tag }, 'pull');
    const { bytes } = await fetchFrom(remote, { ...name, tag, digest: undefined }, options);
    const index = parseManifest(bytes, undefined, tag);
    if (index.kind === 'index') return index.manifests;
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'not-found') return [];
    throw error;
  }
  throw new RegistryError('invalid', `the tag ${tag} of ${name.repository} is not an index of referrers`);
}

/** Adds one. Two who do so at once may lose one of them: the schema has no means against that. */
export async function addReferrer(
  session: Session,
  name: RepositoryName,
  subject: Digest,
  referrer: Descriptor,
  options: CallOptions,
): Promise<void> {
  const known = await readReferrersTag(session, name, subject, options);
  if (known.some(({ digest }) => digest === referrer.digest)) return;
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...known, referrer].map(plain) };
  const remote = await itself(session, { ...name, digest: undefined }, 'push');
  await putManifest(
    remote,
    referrersTag(subject),
    Buffer.from(JSON.stringify(index)),
    mediaTypes.index,
    options,
  );
}

/** The fields of a descriptor in a document: those that say something. */
function plain({ mediaType, digest, size, artifactType, annotations }: Descriptor): object {
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
