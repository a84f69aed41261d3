import { ShaleError } from '../error/index.ts';
import {
  type Credential,
  createRegistryClient,
  removeCredential,
  Secret,
  storeCredential,
} from '../registry/index.ts';
import type { RegistryOptions } from './options.ts';

export interface LoginOptions extends RegistryOptions {
  readonly username: string;
  readonly password: string;
  readonly signal?: AbortSignal | undefined;
}

export interface LoginResult {
  /** As images name it: `docker.io`, `host:5000`. */
  readonly registry: string;
  /** The path of a file, or the name of a credential helper's program. */
  readonly storedIn: string;
}

export interface LogoutOptions {
  readonly authFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries a user's credential with a registry, and keeps it if the registry takes it: `unauthenticated` otherwise, and
 * nothing is kept. The user `<token>` stands for an OAuth2 identity token.
 */
export async function login(registry: string, options: LoginOptions): Promise<LoginResult> {
  const { username, password, authFile, signal, ...rest } = options;
  const name = parseRegistry(registry);
  const secret = new Secret(password);
  const credential: Credential =
    username === '<token>'
      ? { kind: 'identity', token: secret }
      : { kind: 'basic', username, password: secret };
  requireKeepable(credential);
  await using client = createRegistryClient({ ...rest, credential });
  try {
    await client.check(name, { signal });
  } catch (error) {
    throw refused(error, name);
  }
  return { registry: name, storedIn: await storeCredential(name, credential, { authFile }) };
}

/** Forgets the credential of a registry, wherever it is found; that is nowhere if `removedFrom` is empty. */
export async function logout(
  registry: string,
  options: LogoutOptions = {},
): Promise<{ readonly removedFrom: readonly string[] }> {
  return { removedFrom: await removeCredential(parseRegistry(registry), { authFile: options.authFile }) };
}

/** A registry as people write it: a URL will do if its path says no more than which API it is. */
function parseRegistry(text: string): string {
  const [authority = '', ...path] = text
    .replace(/^https?:\/\//i, '')
    .replace(/\/+$/, '')
    .split('/');
  const plain = path.length === 0 || (path.length === 1 && /^v[12]$/.test(path[0] ?? ''));
  if (!plain || !/^[A-Za-z0-9[][A-Za-z0-9._:[\]-]*$/.test(authority)) {
    throw new ShaleError('invalid', `${JSON.stringify(text.slice(0, 200))} is not the name of a registry`, {
      hint: 'name the host alone, with its port if it has one: ghcr.io',
    });
  }
  const name = authority.toLowerCase();
  return name === 'index.docker.io' || name === 'registry-1.docker.io' ? 'docker.io' : name;
}

/** What HTTP's Basic scheme and the files can hold (RFC 7617, section 2): the first colon ends the name. */
function requireKeepable(credential: Credential): void {
  if (credential.kind === 'basic' && credential.username.includes(':')) {
    throw new ShaleError('invalid', 'a user name cannot have a colon in it', { hint: 'check --username' });
  }
}

function refused(error: unknown, registry: string): unknown {
  if (!(error instanceof ShaleError) || error.code !== 'unauthenticated') return error;
  return new ShaleError('unauthenticated', `${registry} does not accept this user name and password`, {
    cause: error,
    detail: error.detail,
    hint: 'check both; many registries want an access token in the place of the password',
  });
}
