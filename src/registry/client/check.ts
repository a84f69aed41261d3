import { RegistryError } from '../error.ts';
import { itself } from './failover.ts';
import type { CallOptions } from './options.ts';
import type { Session } from './session.ts';

/**
 * Whether a registry accepts the credential: RegistryError `unauthenticated` if it does not. A registry that asks nobody
 * accepts everyone; what is no registry is `unsupported`.
 */
export async function check(session: Session, registry: string, { signal }: CallOptions = {}): Promise<void> {
  const remote = await itself(session, { registry, repository: '' }, 'push');
  const call = { method: 'GET', target: '/', what: `log in to ${registry}`, signal } as const;
  const response = await remote.request(call, 200, 404);
  response.body.discard();
  if (response.status === 404) {
    throw new RegistryError('unsupported', `${registry} is not a registry: it has no /v2/`, {
      detail: { registry, status: response.status },
      hint: 'is the name right?',
    });
  }
}
