import { ShaleError } from '../../error/index.ts';
import { RegistryError } from '../error.ts';
import { Remote } from './remote.ts';
import type { Named, Session } from './session.ts';

/** Where another endpoint can stand in, waiting is of little use. */
const mirrorTries = 2;

/**
 * Does something at the first endpoint that can: mirrors, then the registry itself. Whatever a mirror fails with, the next
 * is tried; the registry's own answer is final. Mirrors that did not answer are passed over for a while.
 */
export async function failover<T>(
  session: Session,
  name: Named,
  work: (remote: Remote) => Promise<T>,
): Promise<T> {
  const need = name.digest === undefined ? 'resolve' : 'pull';
  const able = (await session.endpoints(name)).filter(({ capabilities }) => capabilities.has(need));
  const awake = able.filter((endpoint, index) => index + 1 === able.length || !session.isResting(endpoint));
  const failures: ShaleError[] = [];
  for (const [index, endpoint] of awake.entries()) {
    const last = index + 1 === awake.length;
    try {
      return await work(
        new Remote(session, endpoint, last ? session.tries : Math.min(mirrorTries, session.tries)),
      );
    } catch (error) {
      if (!(error instanceof ShaleError) || error.code === 'cancelled') throw error;
      if (last) throw withMirrors(error, failures);
      if (error.code === 'unavailable') session.rest(endpoint);
      failures.push(error);
    }
  }
  throw noEndpoint(name, need);
}

/** The registry itself, no mirror: for what is written, and for lists, of which a mirror knows only some. */
export async function itself(session: Session, name: Named, need: 'pull' | 'push'): Promise<Remote> {
  const endpoints = await session.endpoints(name);
  const own = endpoints.findLast(({ capabilities, mirror }) => !mirror && capabilities.has(need));
  if (own === undefined) throw noEndpoint(name, need);
  return new Remote(session, own, session.tries);
}

function withMirrors(error: ShaleError, failures: readonly ShaleError[]): ShaleError {
  if (failures.length === 0) return error;
  const { code, message, cause, hint } = error;
  const detail = { ...error.detail, mirrors: failures.map(failure => failure.message) };
  return new RegistryError(code, message, { detail, cause, ...(hint === undefined ? {} : { hint }) });
}

function noEndpoint({ registry, repository }: Named, need: string): RegistryError {
  return new RegistryError(
    'unsupported',
    `no endpoint of ${registry}/${repository} is configured to ${need}`,
    {
      detail: { registry, repository },
      hint: 'see the capabilities in certs.d and hosts.toml',
    },
  );
}
