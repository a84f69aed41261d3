import { type Descriptor, type Digest, mediaTypes, parseManifest } from '../../oci/index.ts';
import { findHeader } from '../transport/index.ts';
import { itself } from './failover.ts';
import type { CallOptions, RepositoryName } from './options.ts';
import { readPages } from './page.ts';
import { readReferrersTag } from './referrers-tag.ts';
import type { Session } from './session.ts';

export interface ReferrersOptions extends CallOptions {
  readonly artifactType?: string | undefined;
}

/** Statuses of registries that know no such API. */
const unknown = [400, 404, 405, 501];

/** What refers to a manifest: from the registry's API, else from the tag that stands in for it. Empty if nothing does. */
export async function referrers(
  session: Session,
  name: RepositoryName,
  digest: Digest,
  options: ReferrersOptions = {},
): Promise<readonly Descriptor[]> {
  const { artifactType, signal } = options;
  const found =
    (await fromApi(session, name, digest, options)) ??
    (await readReferrersTag(session, name, digest, { signal }));
  // A registry may ignore the filter.
  return artifactType === undefined
    ? found
    : found.filter(referrer => referrer.artifactType === artifactType);
}

async function fromApi(
  session: Session,
  { registry, repository }: RepositoryName,
  digest: Digest,
  { artifactType, signal }: ReferrersOptions,
): Promise<readonly Descriptor[] | undefined> {
  const remote = await itself(session, { registry, repository, digest }, 'pull');
  const query = artifactType === undefined ? '' : `?${new URLSearchParams({ artifactType })}`;
  const call = {
    method: 'GET',
    target: `referrers/${digest}${query}`,
    what: `list the referrers of ${digest} in ${repository}`,
    actions: ['pull'],
    headers: { accept: mediaTypes.index },
    signal,
  } as const;
  const found: Descriptor[] = [];
  for await (const { response, bytes } of readPages(remote, call, ...unknown)) {
    const type = findHeader(response, 'content-type')?.split(';')[0]?.trim();
    // Some web servers answer every path with a page of theirs.
    if (response.status !== 200 || type !== mediaTypes.index) return undefined;
    const index = parseManifest(bytes, type, 'referrers');
    if (index.kind === 'index') found.push(...index.manifests);
  }
  return found;
}
