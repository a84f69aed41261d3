import { RegistryError } from '../error.ts';
import { findHeader } from '../transport/index.ts';
import { digestOf, readContentDigest } from './manifest.ts';
import type { CallOptions } from './options.ts';
import type { Remote } from './remote.ts';

/** PUT of a manifest, by tag or digest. True if the registry says that it keeps referrers (`OCI-Subject`). */
export async function putManifest(
  remote: Remote,
  reference: string,
  bytes: Uint8Array,
  mediaType: string,
  { signal }: CallOptions,
): Promise<boolean> {
  const { repository } = remote.endpoint;
  const content = {
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  };
  const what = `push the manifest ${reference} to ${repository}`;
  const response = await remote.request(
    {
      method: 'PUT',
      target: `manifests/${reference}`,
      what,
      actions: ['pull', 'push'],
      headers: { 'content-type': mediaType },
      content,
      signal,
    },
    201,
    200,
    202,
  );
  response.body.discard();
  const claimed = readContentDigest(response);
  const actual = digestOf(bytes, claimed);
  if (claimed !== undefined && claimed !== actual) {
    throw new RegistryError('corrupt', `${what}: the registry has stored ${claimed}, not ${actual}`, {
      detail: { expected: actual, actual: claimed, status: response.status },
    });
  }
  return findHeader(response, 'oci-subject') !== undefined;
}
