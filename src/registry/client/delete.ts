import type { Digest, Reference } from '../../oci/index.ts';
import { blobCall } from './blob.ts';
import { itself } from './failover.ts';
import type { CallOptions, RepositoryName } from './options.ts';
import type { Session } from './session.ts';

/** Deletes a manifest by its digest, or a tag where no digest is given. RegistryError `unsupported` where that is not allowed. */
export async function deleteManifest(
  session: Session,
  reference: Reference,
  { signal }: CallOptions = {},
): Promise<void> {
  const remote = await itself(session, reference, 'push');
  const name = reference.digest ?? reference.tag ?? 'latest';
  const what = `delete the manifest ${name} of ${reference.repository}`;
  const call = {
    method: 'DELETE',
    target: `manifests/${name}`,
    what,
    actions: ['pull', 'delete'],
    signal,
  } as const;
  (await remote.request(call, 202, 200, 204)).body.discard();
}

export async function deleteBlob(
  session: Session,
  { registry, repository }: RepositoryName,
  digest: Digest,
  options: CallOptions = {},
): Promise<void> {
  const remote = await itself(session, { registry, repository, digest }, 'push');
  const call = { ...blobCall('DELETE', repository, digest, options), actions: ['pull', 'delete'] } as const;
  (await remote.request(call, 202, 200, 204)).body.discard();
}
